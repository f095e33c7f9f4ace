#!/bin/sh
# tests/nightly.sh: what a night has time for (tests/run.sh nightly): every test with the fault tests' nightly amounts; a
# sample of them under the thread sanitizer, and under valgrind; the fuzz targets, those of whole files for longer. Goes
# on after a failure. Ends with "N passed, N failed", of all of them.
set -u
unset BUILD CC SANITIZE VALGRIND COVERAGE SHARED DBT_AMOUNT # each part has its own
here=$(cd "$(dirname "$0")" && pwd)
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
passed=0
failed=0
part() { # NAME COMMAND...: counts what its last line says
    echo "== $1"
    shift
    "$@" 2>&1 | tee "$log"
    counts=$(tail -n 1 "$log" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
    [ -n "$counts" ] || { echo "$* did not end"; counts='0 1'; }
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
}

part 'all tests, nightly amounts' env DBT_AMOUNT=nightly sh "$here/run.sh"
part 'thread sanitizer' env DBT_AMOUNT=sample SANITIZE=thread sh "$here/run.sh"
part valgrind env DBT_AMOUNT=sample VALGRIND=1 sh "$here/run.sh"
long='database store'
short=
for folder in "$here"/fuzz/corpus/*; do
    case " $long " in *" ${folder##*/} "*) ;; *) short="$short ${folder##*/}" ;; esac
done
# shellcheck disable=SC2086 # words
part 'fuzz targets' sh "$here/fuzz/run.sh" 300 $short
# shellcheck disable=SC2086
part 'fuzz targets of whole files' sh "$here/fuzz/run.sh" 1200 $long
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

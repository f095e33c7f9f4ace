#!/bin/sh
# tests/cli/run.sh [--update] [CASE...]: runs the program as a user does and compares what it prints.
#
# A case is a folder beside this file:
#   cmd      shell commands, run in a fresh temporary folder; `dbtrain` is the program under test, $DATA the
#            folder of test data, $PROGRAM the program's path
#   input/   its files are copied into that folder first (may be missing)
#   stdout, stderr   what must be printed, exactly (missing: nothing)
#   exit     the exit code of cmd (missing: 0)
#   mask     a sed -E script that both outputs go through before they are compared, for times and the
#            like (may be missing)
# --update writes stdout, stderr and exit as they came out: read the diff before you commit it.
# The program is $DBTRAIN, build/cli/dbtrain unless that is set. It runs in the locale $DBTRAIN_LOCALE, where
# that is set, the rest of a case in C.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
PROGRAM=${DBTRAIN:-$root/build/cli/dbtrain}
DATA=$root/tests/data
update=no
[ "${1-}" = --update ] && { update=yes; shift; }

[ -x "$PROGRAM" ] || { echo "tests/cli/run.sh: no program at $PROGRAM (set DBTRAIN)" >&2; exit 2; }
scratch=$(mktemp -d) || exit 2
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
mkdir "$scratch/bin" || exit 2
if [ -n "${DBTRAIN_LOCALE-}" ]; then
    printf '#!/bin/sh\nLC_ALL=%s exec "%s" "$@"\n' "$DBTRAIN_LOCALE" "$PROGRAM" >"$scratch/bin/dbtrain"
    chmod +x "$scratch/bin/dbtrain"
else
    ln -s "$PROGRAM" "$scratch/bin/dbtrain" || exit 2
fi
PATH=$scratch/bin:$PATH
LC_ALL=C
TZ=UTC
export PROGRAM DATA PATH LC_ALL TZ

mask_file() { # CASE FILE
    if [ -f "$here/$1/mask" ]; then
        sed -E -f "$here/$1/mask" "$2" >"$2.masked" && mv "$2.masked" "$2"
    fi
}

compare() { # CASE NAME DEFAULT: what came out against what is expected
    expected=$here/$1/$2
    if [ ! -e "$expected" ]; then
        expected=$scratch/default
        printf '%s' "$3" >"$expected"
    fi
    diff -u --label "$1/$2 (expected)" --label "$1/$2" "$expected" "$scratch/$2"
}

keep() { # CASE NAME DEFAULT: what came out becomes what is expected
    if [ "$(cat "$scratch/$2")" = "$3" ]; then
        rm -f "$here/$1/$2"
    else
        cp "$scratch/$2" "$here/$1/$2"
    fi
}

run_case() { # CASE
    rm -rf "$scratch/work"
    mkdir "$scratch/work" || exit 2
    if [ -d "$here/$1/input" ]; then cp -R "$here/$1/input/." "$scratch/work"; fi
    (cd "$scratch/work" && sh "$here/$1/cmd") >"$scratch/stdout" 2>"$scratch/stderr" </dev/null
    echo $? >"$scratch/exit"
    mask_file "$1" "$scratch/stdout"
    mask_file "$1" "$scratch/stderr"
    if [ $update = yes ]; then
        keep "$1" stdout '' && keep "$1" stderr '' && keep "$1" exit 0 && echo "written: $1"
        return
    fi
    same=0
    compare "$1" stdout '' || same=1
    compare "$1" stderr '' || same=1
    compare "$1" exit '0
' || same=1
    return $same
}

if [ $# -eq 0 ]; then
    for file in "$here"/*/cmd; do
        set -- "$@" "$(basename "$(dirname "$file")")"
    done
fi
passed=0
failed=0
for case in "$@"; do
    [ -f "$here/$case/cmd" ] || { echo "tests/cli/run.sh: no case '$case'" >&2; exit 2; }
    if run_case "$case"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $case"
    fi
done
[ $update = yes ] || echo "$passed passed, $failed failed"
[ $failed -eq 0 ]

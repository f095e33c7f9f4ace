#!/bin/sh
# tests/run.sh: installs what is missing, builds, runs every test. Ends with "N passed, N failed".
# tests/run.sh nightly: a night's worth of kills, losses of power and failures; sanitizers; fuzz targets (nightly.sh).
# tests/run.sh fuzz [SECONDS [TARGET...]]: builds and runs the fuzz targets instead (fuzz/run.sh).
# tests/run.sh locale: runs the cli cases of a build under a comma in numbers and a Turkish i (locale.sh).
#
# From the environment:
#   CC        the compiler (gcc)
#   SANITIZE  sanitizers, for example address,undefined (none)
#   VALGRIND  1 runs the test programs under valgrind; cli cases and the real program's tests are left out
#   COVERAGE  ON measures line and branch coverage, the fault tests counted in: summary, and BUILD/coverage.txt
#   SHARED    ON builds the library as a shared one, as it is installed by distributions (OFF)
#   BUILD     the build folder (build, with the compiler, -sanitized, -thread, -valgrind or -coverage behind it
#             where that is asked for)
#   JOBS      how much is compiled at once (as many as there are processors); of the tests, which wait for locks and
#             disks, one more
#   DBT_AMOUNT  of the fault tests: nightly, or sample for builds that are slow (a commit's)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
case ${1-} in
'') ;;
nightly) exec sh "$root/tests/nightly.sh" ;;
fuzz)
    shift
    exec sh "$root/tests/fuzz/run.sh" "$@"
    ;;
locale)
    exec sh "$root/tests/locale.sh" sh -c '
        for locale in de_DE.UTF-8 tr_TR.UTF-8; do DBTRAIN_LOCALE=$locale sh "$0" || exit; done
    ' "$root/tests/cli/run.sh"
    ;;
*)
    echo "usage: tests/run.sh [nightly | fuzz [SECONDS [TARGET...]] | locale]" >&2
    exit 2
    ;;
esac
sanitize=${SANITIZE-}
valgrind=${VALGRIND:+ON}
coverage=${COVERAGE-}
[ "$coverage" = OFF ] && coverage=''
suffix=${sanitize:+-sanitized}
[ "$sanitize" = thread ] && suffix=-thread
name=build${CC:+-$(basename "$CC")}$suffix${valgrind:+-valgrind}${coverage:+-coverage}
build=${BUILD:-$root/$name}
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}

# shellcheck disable=SC2086 # words
sh "$root/cli/install-packages.sh" tests ${sanitize:+sanitizers} ${valgrind:+valgrind} ${coverage:+coverage}

# A build folder keeps its generator and compiler for life.
if [ ! -e "$build/CMakeCache.txt" ]; then
    set -- -G Ninja "-DCMAKE_C_COMPILER=${CC:-gcc}"
else
    set --
fi
type=Release
[ -n "$coverage" ] && type=Debug # an optimizer merges branches
cmake -S "$root" -B "$build" "$@" "-DCMAKE_BUILD_TYPE=$type" -DDBT_TESTS=ON -DDBT_WERROR=ON \
    "-DDBT_SANITIZE=$sanitize" "-DDBT_VALGRIND=${valgrind:-OFF}" "-DDBT_COVERAGE=${coverage:-OFF}" \
    "-DBUILD_SHARED_LIBS=${SHARED:-OFF}" >/dev/null
cmake --build "$build" --parallel "$jobs"

export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
log=$build/tests.log
outcome=0
set -- --output-on-failure --no-tests=error -j "$((jobs + 1))" -O "$log"
[ -n "$valgrind" ] && set -- "$@" -E '^(cli_|header_|install$|fault_|test_kill)'
(cd "$build" && ctest "$@") || outcome=$?

if [ -n "$coverage" ]; then
    (cd "$build" && gcovr --root "$root" --object-directory . --filter "$root/src/" --filter "$root/cli/" \
        --exclude-unreachable-branches --exclude-throw-branches --print-summary --output coverage.txt .)
    (cd "$build" && gcovr --root "$root" --object-directory . --filter "$root/src/" --filter "$root/cli/" \
        --exclude-unreachable-branches --exclude-throw-branches --branches --output coverage-branches.txt .)
fi

# ctest's own last count: "97% tests passed, 1 tests failed out of 34"
counts=$(sed -n 's/^.* \([0-9][0-9]*\) tests failed out of \([0-9][0-9]*\).*$/\1 \2/p' "$log" | tail -n 1)
failed=${counts%% *}
total=${counts##* }
[ -n "$counts" ] || { echo "the tests did not run to their end" >&2; exit 1; }
echo "$((total - failed)) passed, $failed failed"
exit "$outcome"

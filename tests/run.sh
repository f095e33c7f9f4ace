#!/bin/sh
# tests/run.sh: installs what is missing, builds, runs every test. Ends with "N passed, N failed".
# tests/run.sh fuzz [SECONDS [TARGET...]]: builds and runs the fuzz targets instead (fuzz/run.sh).
# tests/run.sh locale: runs the cli cases of a build under a comma in numbers and a Turkish i (locale.sh).
#
# From the environment:
#   CC        the compiler (gcc)
#   SANITIZE  sanitizers, for example address,undefined (none)
#   SHARED    ON builds the library as a shared one, as it is installed by distributions (OFF)
#   BUILD     the build folder (build, or build-COMPILER[-sanitized] where CC or SANITIZE is set)
#   JOBS      how much runs at once (as many as there are processors)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
case ${1-} in
fuzz)
    shift
    exec sh "$root/tests/fuzz/run.sh" "$@"
    ;;
locale)
    exec sh "$root/tests/locale.sh" sh -c '
        for locale in de_DE.UTF-8 tr_TR.UTF-8; do DBTRAIN_LOCALE=$locale sh "$0" || exit; done
    ' "$root/tests/cli/run.sh"
    ;;
esac
sanitize=${SANITIZE-}
name=build${CC:+-$(basename "$CC")}${sanitize:+-sanitized}
build=${BUILD:-$root/$name}
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}

if [ -n "$sanitize" ]; then
    sh "$root/cli/install-packages.sh" tests sanitizers
else
    sh "$root/cli/install-packages.sh" tests
fi

# A build folder keeps its generator and compiler for life.
if [ ! -e "$build/CMakeCache.txt" ]; then
    set -- -G Ninja "-DCMAKE_C_COMPILER=${CC:-gcc}"
else
    set --
fi
cmake -S "$root" -B "$build" "$@" -DCMAKE_BUILD_TYPE=Release -DDBT_TESTS=ON \
    "-DDBT_SANITIZE=$sanitize" "-DBUILD_SHARED_LIBS=${SHARED:-OFF}" >/dev/null
cmake --build "$build" --parallel "$jobs"

export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
log=$build/tests.log
outcome=0
(cd "$build" && ctest --output-on-failure --no-tests=error -j "$jobs" -O "$log") || outcome=$?

# ctest's own last count: "97% tests passed, 1 tests failed out of 34"
counts=$(sed -n 's/^.* \([0-9][0-9]*\) tests failed out of \([0-9][0-9]*\).*$/\1 \2/p' "$log" | tail -n 1)
failed=${counts%% *}
total=${counts##* }
[ -n "$counts" ] || { echo "the tests did not run to their end" >&2; exit 1; }
echo "$((total - failed)) passed, $failed failed"
exit "$outcome"

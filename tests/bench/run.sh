#!/bin/sh
# tests/bench/run.sh [OPTION...] [SECTION...]: builds the benchmarks (Release) and runs them; --help tells the options.
#
# From the environment:
#   BUILD     the build folder (build)
#   TMPDIR    where a folder is made for what is measured, and removed in the end (/tmp)
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$root/build}

sh "$root/cli/install-packages.sh" tests >&2
generator=''
if [ ! -e "$build/CMakeCache.txt" ]; then generator='-G Ninja'; fi
# shellcheck disable=SC2086 # an option and its value, or nothing
cmake -S "$root" -B "$build" $generator -DCMAKE_BUILD_TYPE=Release -DDBT_TESTS=ON -DDBT_SANITIZE= >/dev/null
cmake --build "$build" --target bench >&2

folder=$(mktemp -d "${TMPDIR:-/tmp}/dbtrain-bench-XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"$build/tests/bench/bench" --folder "$folder" "$@"

#!/bin/sh
# tests/fuzz/run.sh [SECONDS [TARGET...]]: builds the fuzz targets with libFuzzer and the sanitizers (clang) and
# runs each for so long (60). What it finds is left in the build folder and named: it becomes a file of
# corpus/TARGET, where the test of that target runs it for ever.
#
# From the environment: CC (clang), BUILD (build-fuzz). The inputs that were found are kept there between runs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD:-$root/build-fuzz}
seconds=${1:-60}
[ $# -eq 0 ] || shift

# Of freed memory 16 MB are held back, many times what an input frees. With the 256 MB of the default nearly
# every allocation is of pages not touched before, which takes up to two thirds of the time.
export ASAN_OPTIONS="${ASAN_OPTIONS:-quarantine_size_mb=16}"

sh "$root/cli/install-packages.sh" tests sanitizers
cmake -S "$root" -B "$build" "-DCMAKE_C_COMPILER=${CC:-clang}" -DCMAKE_BUILD_TYPE=Release -DDBT_TESTS=ON \
    -DDBT_FUZZ=ON -DDBT_SANITIZE=address,undefined >/dev/null
cmake --build "$build" --target fuzzers --parallel

if [ $# -eq 0 ]; then
    for folder in "$here"/corpus/*; do
        set -- "$@" "$(basename "$folder")"
    done
fi
passed=0
failed=0
for target in "$@"; do
    mkdir -p "$build/inputs/$target"
    log=$build/fuzz-$target.log
    if "$build/tests/fuzz_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1500 \
        -print_final_stats=1 -artifact_prefix="$build/found-$target-" \
        "$build/inputs/$target" "$here/corpus/$target" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: //p' "$log") inputs"
    else
        failed=$((failed + 1))
        tail -n 30 "$log"
        echo "$target: failed, see $log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

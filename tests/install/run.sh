#!/bin/sh
# tests/install/run.sh: a build folder is installed into a scratch prefix, and a client of the library (consumer.c) is
# built and run: through CMake's find_package, and through pkg-config. Then dbtrain is a part of the client's project
# (add_subdirectory): that is configured, and one module built, but not the library a second time.
#
# From the environment, as CMakeLists.txt sets it: SOURCE, BUILD, CONFIG, VERSION, CMAKE, GENERATOR,
# CC, CFLAGS.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix

fail() {
    echo "$*" >&2
    exit 1
}
quietly() { # COMMAND...: what it prints is shown when it fails
    "$@" >"$scratch/log" 2>&1 || {
        cat "$scratch/log" >&2
        fail "failed: $*"
    }
}
runs() { # PROGRAM: it ingests two documents
    printf 'label,text\nham,see you at nine\nspam,you have won\n' >"$scratch/train.csv"
    rm -f "$scratch/consumer.db"
    said=$("$1" "$scratch/consumer.db" "$scratch/train.csv") || fail "$1 failed"
    [ "$said" = 'done: 2 documents' ] || fail "$1 says '$said'"
}

quietly "$CMAKE" --install "$BUILD" --config "$CONFIG" --prefix "$prefix"
said=$("$prefix/bin/dbtrain" --version)
[ "$said" = "dbtrain $VERSION" ] || fail "the installed program says '$said'"

quietly "$CMAKE" -G "$GENERATOR" -S "$here" -B "$scratch/found" "-DCMAKE_C_COMPILER=$CC" \
    "-DCMAKE_PREFIX_PATH=$prefix" "-DDBT_VERSION=$VERSION"
quietly "$CMAKE" --build "$scratch/found"
runs "$scratch/found/consumer"
echo 'find_package: built and run'

if command -v pkg-config >/dev/null; then
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name dbtrain.pc)")
    export PKG_CONFIG_PATH
    said=$(pkg-config --modversion dbtrain)
    [ "$said" = "$VERSION" ] || fail "pkg-config says version '$said'"
    # shellcheck disable=SC2046,SC2086 # words
    quietly "$CC" ${CFLAGS-} "$here/consumer.c" -o "$scratch/consumer" $(pkg-config --cflags --libs dbtrain)
    LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH") runs "$scratch/consumer"
    echo 'pkg-config: built and run'
else
    echo 'pkg-config: skipped, it is not installed'
fi

# For /usr Debian has folders of its own, which the program must know from the first configuration on.
CFLAGS='' quietly "$CMAKE" -G "$GENERATOR" -S "$here" -B "$scratch/part" "-DCMAKE_C_COMPILER=$CC" \
    "-DDBT_SOURCE=$SOURCE" -DDBT_CLI=ON -DDBT_INSTALL=ON -DBUILD_SHARED_LIBS=ON -DCMAKE_INSTALL_PREFIX=/usr
[ ! -e "$scratch/part/dbtrain/tests" ] || fail 'the tests are made in a project that has not asked for them'
quietly "$CMAKE" --build "$scratch/part" --target dbt_store # which needs what was made of schema/
# shellcheck disable=SC2016 # CMake's variable
folder=$(sed -n 's|.*"${CMAKE_INSTALL_PREFIX}/\([^"]*\)" TYPE SHARED_LIBRARY.*|\1|p' \
    "$scratch/part/dbtrain/src/cmake_install.cmake" | sort -u)
grep -F "ORIGIN/../$folder\"" "$scratch/part/dbtrain/cli/cmake_install.cmake" >/dev/null ||
    fail "the library goes to '$folder', where the program does not look"
echo 'add_subdirectory: configured'

#!/bin/sh
# cli/install-packages.sh [tests] [sanitizers] [valgrind] [coverage] [format]: sees to it that what a build needs is
# there; the words add what the tests, a build under clang's sanitizers, valgrind, a measurement of coverage, and the
# format check need.
#
# Nothing happens when nothing is missing. Otherwise apt-get installs it, as root or through sudo; where there is
# no apt-get it says what is missing, by the names that the build looks for, and ends with 1.
set -u

has_command() { command -v "$1" >/dev/null 2>&1; }
has_library() { has_command pkg-config && pkg-config --exists "$1"; }
has_sanitizers() {
    dir=$(mktemp -d) || return 1
    echo 'int main(void) { return 0; }' >"$dir/a.c"
    clang -fsanitize=address,undefined "$dir/a.c" -o "$dir/a" 2>/dev/null
    outcome=$?
    rm -rf "$dir"
    return $outcome
}

packages=''
need() { # PACKAGE WHAT CHECK...: Debian's name of the package, what it brings, how to tell that it is there
    package=$1
    what=$2
    shift 2
    "$@" && return
    packages="$packages $package"
    missing="${missing-}
  $what (on Debian: $package)"
}

need gcc 'a C compiler, gcc' has_command gcc
need libc6-dev 'the C library'"'"'s headers' test -e /usr/include/stdio.h
need cmake 'cmake, 3.18 or later' has_command cmake
need ninja-build 'ninja' has_command ninja
need pkg-config 'pkg-config' has_command pkg-config
need sqlite3 'the sqlite3 shell' has_command sqlite3
need libsqlite3-dev 'the library sqlite3, 3.40 or later' has_library sqlite3
need libopenblas-dev 'the library openblas' has_library openblas
need libarchive-dev 'the library libarchive' has_library libarchive
need zlib1g-dev 'the library zlib' has_library zlib
need libutf8proc-dev 'the library libutf8proc' has_library libutf8proc
need libxxhash-dev 'the library libxxhash' has_library libxxhash
need libjansson-dev 'the library jansson' has_library jansson
for word in "$@"; do
    case $word in
    tests)
        need libcmocka-dev 'the library cmocka' has_library cmocka
        need bzip2 bzip2 has_command bzip2
        ;;
    sanitizers)
        need clang 'clang' has_command clang
        need libclang-rt-14-dev 'clang'"'"'s sanitizers' has_sanitizers
        ;;
    valgrind)
        need valgrind 'valgrind' has_command valgrind
        ;;
    coverage)
        need gcovr 'gcovr' has_command gcovr
        ;;
    format)
        need clang-format-14 'clang-format 14' has_command clang-format-14
        ;;
    *)
        echo "cli/install-packages.sh: unknown word '$word'" >&2
        exit 2
        ;;
    esac
done
[ -z "$packages" ] && exit 0

as_root=''
if [ "$(id -u)" -ne 0 ]; then as_root=sudo; fi
if ! has_command apt-get || { [ -n "$as_root" ] && ! has_command sudo; }; then
    echo "These are missing; please install them and run this again:${missing}" >&2
    exit 1
fi
echo "installing:$packages"
log=$(mktemp) || exit 1
# shellcheck disable=SC2086 # a list of words
set -- $packages
if $as_root apt-get update >"$log" 2>&1 &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        "$@" >>"$log" 2>&1; then
    rm -f "$log"
else
    cat "$log" >&2
    rm -f "$log"
    echo "could not install:$packages" >&2
    exit 1
fi

#!/bin/sh
# tests/locale.sh COMMAND...: runs a command where the locales de_DE.UTF-8 (a comma in numbers) and tr_TR.UTF-8
# (I without a dot) can be had; they are made for it. Exits 77 where localedef is missing.
set -eu
command -v localedef >/dev/null || { echo "skipped: no localedef here"; exit 77; }
LOCPATH=$(mktemp -d)
trap 'rm -rf "$LOCPATH"' EXIT
export LOCPATH
for locale in de_DE tr_TR; do
    localedef -i $locale -f UTF-8 "$LOCPATH/$locale.UTF-8" >/dev/null 2>&1 ||
        { echo "skipped: localedef cannot make $locale.UTF-8"; exit 77; }
done
"$@"

# tests/fault/common.sh: what the scripts beside it share; they source it first. DBTRAIN is the program.
set -u
here=$(cd "$(dirname "$0")" && pwd)
data=$here/../data
program=${DBTRAIN:-$here/../../build/cli/dbtrain}
[ "${DBT_AMOUNT-}" = nightly ] && nightly=yes || nightly=no
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
cd "$scratch" || exit 2
failed=0
fail() { # WHAT: the test goes on; it ends with `exit $failed`
    echo "FAILED: $*" >&2
    tail -n 5 messages | sed 's/^/    /' >&2
    failed=1
}
fresh() { # the ingested file, without a trace of an earlier run
    rm -f work.db*
    cp ingested.db work.db
}
sound() { [ "$(sqlite3 "$1" 'pragma integrity_check' 'pragma foreign_key_check')" = ok ]; }

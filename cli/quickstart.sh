#!/bin/sh
# cli/quickstart.sh [FILE...]: from a fresh clone to a trained classifier, in under a minute.
#
# Installs what is missing, builds, then ingests, fits and evaluates the corpus that ships with the project, or the
# files given, and asks the database three questions. Each command is shown before it runs. What is left is
# quickstart.db in the folder where it was called, and the program in build/cli.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build
database=quickstart.db
application_id=1684173938 # "dbtr", which marks dbtrain's files

fail() {
    echo "quickstart: $*" >&2
    exit 1
}

# Prints a command as it could be typed, then runs it.
run() {
    line='$'
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./=,:@%+-]*) line="$line \"$word\"" ;;
        *) line="$line $word" ;;
        esac
    done
    printf '\n%s\n' "$line"
    "$@"
}

# A path as one would type it here.
short() {
    case $1 in
    "$PWD"/*) printf '%s' "${1#"$PWD"/}" ;;
    *) printf '%s' "$1" ;;
    esac
}

ask() { run sqlite3 -readonly -box "$database" "$1"; }

build_program() {
    sh "$root/cli/install-packages.sh"
    if [ ! -e "$build/CMakeCache.txt" ]; then
        set -- -G Ninja -DCMAKE_BUILD_TYPE=Release -DDBT_TESTS=OFF
    else
        set --
    fi
    log=$(mktemp)
    echo "building $(short "$build")/cli/dbtrain ..."
    if ! { cmake -S "$root" -B "$build" "$@" &&
        cmake --build "$build" --target dbtrain_cli --parallel; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        fail 'the build failed'
    fi
    rm -f "$log"
}

# Takes an old quickstart.db away, if it is one of dbtrain's.
remove_old() {
    [ -e "$database" ] || return 0
    id=$(sqlite3 -readonly "$database" 'pragma application_id' 2>/dev/null) || id=none
    [ "$id" = "$application_id" ] || fail "$database is here already and is not dbtrain's: please move it"
    echo "replacing the $database of an earlier run"
    rm -f "$database" "$database-wal" "$database-shm"
}

for file in "$@"; do
    [ -r "$file" ] || fail "cannot read '$file'"
done
build_program
remove_old
dbtrain=$(short "$build/cli/dbtrain")
data=$(short "$root/tests/data")
batch_size=128
if [ $# -eq 0 ]; then
    # 440 notes are three batches of the default size: smaller ones learn in fewer epochs.
    batch_size=16
    set -- "$data/quickstart-train.csv" "$data/quickstart-test.csv"
fi

run "$dbtrain" ingest "$database" "$@"
run "$dbtrain" fit "$database" --batch-size "$batch_size"
split=$(sqlite3 -readonly "$database" "select name from split
    where name in ('test', 'train/validation') order by name limit 1")
run "$dbtrain" evaluate "$database" --split "$split"
ask 'select split, label, documents from label_count'
ask 'select epoch, round(loss, 4) as loss, round(acc, 4) as acc, round(val_loss, 4) as val_loss, round(val_acc, 4) as val_acc from history order by epoch desc limit 5'
ask "select actual, predicted, round(probability, 2) as probability, substr(text, 1, 60) as text from mistake where split = '$split' order by probability desc limit 5"
printf '\n%s holds all of it. To classify a text of your own:\n' "$database"
printf '  echo "some text" | %s predict %s\n' "$dbtrain" "$database"

#!/bin/sh
# tests/fault/limits.sh: the program with too little of everything (FAULTS A6, A7, A11, C2, C6, C8): address space,
# descriptors, file size, disk, a full stdout, a read-only medium, a read-only folder. It never hangs, ends with the exit
# code that says why, leaves a sound file, and does its work when there is enough again. And with another processor.
#
# What the machine does not allow is skipped with a word. SANITIZED (not empty): the program
# is built with a sanitizer, which needs more address space than is tried here.
. "$(dirname "$0")/common.sh"
# dbtrain, but killed when it hangs (137)
run() { timeout -s KILL 120 "$program" "$@" >messages 2>&1; }
limited() { # OPTION VALUE ARGUMENT...: dbtrain with `ulimit OPTION VALUE`; no descriptor is the shell's by then
    (
        exec >messages 2>&1
        ulimit "$1" "$2" || exit 99
        shift 2
        exec timeout -s KILL 120 "$program" "$@"
    )
}
small='--epochs 2 --units 8 --top-k 200 --batch-size 16 --threads 2'
# shellcheck disable=SC2086 # a list of words, here and below
fit() { run fit "$1" $small; }
check() { # CODE ALLOWED WHAT: the exit code is one of those, and the file is sound
    case " $2 " in *" $1 "*) ;; *) fail "$3: exit $1, not one of $2" ;; esac
    [ ! -s work.db ] || sound work.db || fail "$3: the file is not sound"
}
rows=$data/quickstart-train.csv
run ingest ingested.db "$rows" || { fail 'ingest'; exit 1; }

if [ -n "${SANITIZED-}" ]; then
    echo 'skipped under a sanitizer: little address space'
else
    [ $nightly = yes ] && step=5000 || step=25000
    kib=20000
    enough=no
    while [ $kib -le 600000 ]; do
        fresh
        limited -v $kib fit work.db $small
        code=$?
        check $code '0 7 127' "fit with $kib KiB of address space" # 127: the loader finds no room
        [ $code -eq 0 ] && enough=yes
        rm -f work.db*
        limited -v $kib ingest work.db "$rows"
        check $? '0 7 127' "ingest with $kib KiB of address space"
        kib=$((kib + step))
    done
    [ $enough = yes ] || fail 'fit never had enough address space'
fi

for n in 4 5 6 7 8 9 10 11 12 14 16 32; do
    fresh
    limited -n $n fit work.db $small
    check $? '0 1 6 7 127' "fit with $n descriptors"
    rm -f work.db*
    limited -n $n ingest work.db "$rows"
    check $? '0 3 6 127' "ingest with $n descriptors" # 3: none is left for the source
done

[ $nightly = yes ] && step=16 || step=80 # blocks of 512 bytes
[ "${SANITIZED-}" = thread ] && blocks=$step || blocks=0 # that one's runtime writes a file before main
while [ $blocks -le 1600 ]; do
    fresh
    limited -f $blocks fit work.db $small
    check $? '0 6' "fit with files of up to $blocks blocks"
    fit work.db || fail "fit after files of up to $blocks blocks"
    rm -f work.db*
    limited -f $blocks ingest work.db "$rows"
    check $? '0 6' "ingest with files of up to $blocks blocks"
    run ingest work.db "$rows" || fail "ingest after files of up to $blocks blocks"
    [ "$(sqlite3 work.db 'select count(*) from document')" = 440 ] || fail "rows after $blocks blocks"
    blocks=$((blocks + step))
done

fresh
timeout -s KILL 120 "$program" fit work.db --epochs 2 --units 8 --top-k 200 >/dev/full 2>messages
check $? 6 'fit with a full stdout'
[ "$(sqlite3 work.db 'select status from run')" = finished ] || fail 'a full stdout stopped the training'

if unshare -Urm true 2>/dev/null; then
    mkdir disk
    [ $nightly = yes ] && step=64 || step=256
    size=64
    while [ $size -le 2048 ]; do
        rm -f work.db*
        # What is on the small disk is copied out again before it goes.
        DATA=$rows SIZE=$size unshare -Urm sh -c '
            mount -t tmpfs -o size=${SIZE}k tmpfs disk && cp "$DATA" disk/train.csv || exit 77
            timeout -s KILL 120 "$0" ingest disk/work.db disk/train.csv
            code=$?
            sqlite3 -readonly disk/work.db "select count(*) from sqlite_schema" >/dev/null 2>readable ||
                { [ ! -s disk/work.db ] || code=99; }
            if [ $code -eq 0 ]; then
                timeout -s KILL 120 "$0" fit disk/work.db --epochs 2 --units 64 --top-k 2000
                code=$?
            fi
            cp disk/work.db disk/work.db-wal . 2>/dev/null
            exit $code' "$program" >messages 2>&1
        code=$?
        # 77: the source alone is too large; 3: so is what is read of it
        [ $code -eq 77 ] || check $code '0 6' "a disk of $size KiB"
        size=$((size + step))
    done
    fresh
    fit work.db || fail 'fit'
    mkdir medium
    unshare -Urm sh -c '
        mount -t tmpfs tmpfs medium && cp work.db medium && mount -o remount,ro medium || exit 77
        "$0" info medium/work.db >/dev/null && echo some words | "$0" predict medium/work.db >/dev/null &&
            "$0" evaluate medium/work.db --split train >/dev/null || exit 1
        "$0" fit medium/work.db
        [ $? -eq 6 ] || exit 1
        # a file that can be written, in a folder that cannot
        mount --bind work.db medium/work.db && mount -o remount,rw,bind medium/work.db || exit 77
        "$0" evaluate medium/work.db --split train 2>&1 >/dev/null | grep -q "nothing was stored" || exit 1
        "$0" predict medium/work.db --split train
        [ $? -eq 6 ]' "$program" >messages 2>&1 || fail 'a read-only medium'
else
    echo 'skipped, there are no user namespaces here: a small disk, a read-only medium'
fi

# FAULTS F6: a run goes on with the kernels of another processor, and that is said
if [ "$(uname -m)" = x86_64 ]; then
    fresh
    "$program" fit work.db --epochs 100000 --patience 100000 --batch-size 2 --checkpoint-every 0.01 >messages 2>&1 &
    pid=$!
    tries=0
    while [ "$(sqlite3 -readonly work.db 'SELECT count(*) FROM checkpoint')" != 1 ] && [ $tries -lt 3000 ]; do
        tries=$((tries + 1))
    done
    kill -KILL $pid
    wait $pid 2>/dev/null
    OPENBLAS_CORETYPE=Prescott timeout -s TERM 5 "$program" fit work.db --resume >messages 2>&1
    check $? 124 'a resume with another core type' # timeout's, of a command that it has ended
    grep -q 'was begun on another processor.*: blas is .*, not .* Prescott' messages || fail 'another core type is not told'
else
    echo 'skipped, this is not x86_64: another core type of OpenBLAS'
fi
exit $failed

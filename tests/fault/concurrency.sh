#!/bin/sh
# tests/fault/concurrency.sh: others use the file while dbtrain works (FAULTS A9, A10, B1 to B6, B9, G2): shells that
# read, hold locks, empty the log, drop tables and delete rows, a second dbtrain, a file that is replaced, files that do
# not belong together.
. "$(dirname "$0")/common.sh"
case ${DBT_AMOUNT-} in nightly) epochs=2000 ;; sample) epochs=15 ;; *) epochs=60 ;; esac
fit() { # EPOCHS [OPTION...]: of a network that takes a moment for each
    of=$1
    shift
    timeout -s KILL 600 "$program" fit work.db --validation test --batch-size 4 --units 32 --epochs "$of" \
        --patience "$of" --seed 1 "$@" >messages 2>&1
}
fit_in_background() { # EPOCHS: the same, as $pid, from its first epoch on
    "$program" fit work.db --validation test --batch-size 4 --units 32 --epochs "$1" --patience "$1" --seed 1 \
        >messages 2>&1 &
    pid=$!
    await 'select 1 from epoch'
}
await() { # QUERY: until it gives a row, for a minute at most
    tries=0
    while [ -z "$(sqlite3 -readonly work.db "$1" 2>/dev/null)" ] && [ $tries -lt 600 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}
await_file() { # FILE: until another process has made it; it is removed
    tries=0
    while [ ! -e "$1" ] && [ $tries -lt 600 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    rm "$1" || fail "nobody made $1"
}
weights="select group_concat(kind || layer || name || digest) from (select * from parameter order by 1, 2, 3, 4)"
"$program" ingest ingested.db "$data/quickstart-train.csv" "$data/quickstart-test.csv" >messages 2>&1 ||
    { fail ingest; exit 1; }

# Eight shells read the documented views at full speed through a fit (B4). Behind that many epochs they wait where they must, as
# README tells scripts to: whoever closes a file looks for others by a lock that turns away who opens it just then.
fresh
"$program" fit work.db --validation test --epochs 1 --units 4 --top-k 100 >messages 2>&1 || fail 'a first fit'
"$program" evaluate work.db --split test >/dev/null 2>messages || fail evaluate
cat >queries <<'SQL'
select count(*), sum(length(text)) from corpus;
select * from label_count;
select * from history;
select * from confusion;
select * from class_report;
select count(*) from mistake;
select * from top_feature;
SQL
touch reading
# One more has the file open from before the fit until after it: whoever opens a file that nobody has open rebuilds the
# index of its log, and SQLite turns away who comes meanwhile, with or without dbtrain.
{ printf 'select count(*) from document;\n.shell touch reads\n'; while [ -e reading ]; do sleep 0.1; done; } |
    sqlite3 -readonly work.db >/dev/null &
await_file reads
for reader in 1 2 3 4 5 6 7 8; do
    (
        while [ -e reading ]; do
            wait_for=0
            [ ! -e ending ] || wait_for=5000
            sqlite3 -readonly -bail -cmd ".timeout $wait_for" work.db <queries >/dev/null 2>>"reader$reader" ||
                echo failed >>"reader$reader"
            echo round >>rounds
        done
    ) &
done
touch training
{
    while [ -e training ] && [ "$(sqlite3 -readonly -cmd '.timeout 5000' work.db 'select count(*) from epoch where run_id = 2')" -lt \
        $epochs ]; do sleep 0.1; done
    touch ending
} &
fit $((2 * epochs)) || fail 'fit with eight readers'
[ -e ending ] || fail 'the end was not seen coming'
rm reading training
wait
[ -z "$(cat reader*)" ] || fail "a reader: $(cat reader* | sort | uniq -c | head -n 3)"
[ "$(wc -l <rounds)" -ge 8 ] || fail 'the readers did not read'

# A shell reads all through a run, in one transaction (B2); another holds the writer's lock for two seconds (B1).
fresh
fit 8 || fail fit
expected=$(sqlite3 work.db "$weights")
fresh
{ printf '.timeout 5000\nbegin;\nselect count(*) from document;\n.shell touch reads\n'; sleep 3; echo 'commit;'; } |
    sqlite3 work.db >/dev/null &
{ printf '.timeout 5000\nbegin immediate;\n.shell touch locks\n'; sleep 2; echo 'rollback;'; } | sqlite3 work.db &
await_file reads
await_file locks
fit 8 || fail 'fit beside a reader and a lock'
wait
[ "$(sqlite3 work.db "$weights")" = "$expected" ] || fail 'a reader and a lock changed the weights'

# A lock that is held while a fit runs is waited for, and told of; who does not want to wait stops the fit, which can go
# on; nightly it gives up after a minute.
hold_lock() { # SECONDS
    { printf '.timeout 5000\nbegin immediate;\n.shell touch locks\n'; sleep "$1"; echo 'rollback;'; } | sqlite3 work.db &
    await_file locks
}
fresh
fit 1000 || fail 'a long fit'
expected_long=$(sqlite3 work.db "$weights")
fresh
fit_in_background 1000
hold_lock 7
wait $pid || fail 'fit beside a lock of seven seconds'
grep -q "another program has a transaction open in 'work.db'" messages || fail 'a lock of seven seconds is not told of'
[ "$(sqlite3 work.db "$weights")" = "$expected_long" ] || fail 'a lock of seven seconds changed the weights'
fresh
hold_lock 7
"$program" ingest work.db "$data/quickstart-test.csv" --again >messages 2>&1 || fail 'ingest beside a lock of seven seconds'
grep -q "another program has a transaction open in 'work.db'" messages || fail 'ingest does not tell of a lock'
wait
# A short one does not keep what was done from being stored when somebody stops the fit.
fresh
fit_in_background 100000
hold_lock 2
kill -TERM $pid
wait $pid
[ $? -eq 143 ] || fail 'a short lock, TERM'
wait
[ "$(sqlite3 work.db "select status from run")$(sqlite3 work.db 'select count(*) from checkpoint')" = interrupted1 ] ||
    fail 'a short lock kept what was done from being stored'
[ $nightly = yes ] && tries='TERM none' || tries=TERM
for try in $tries; do
    fresh
    fit_in_background 1000
    [ $try = TERM ] && { hold_lock 9; sleep 1; kill -TERM $pid; } || hold_lock 75
    wait $pid
    code=$?
    [ $code -eq "$([ $try = TERM ] && echo 143 || echo 5)" ] || fail "a lock, $try: exit $code"
    grep -q 'to go on with it: dbtrain fit work.db --resume=1' messages || fail "a lock, $try: no word of --resume"
    wait
    "$program" fit work.db --resume=1 --verbose 0 >messages 2>&1 || fail "resume after a lock, $try"
    [ "$(sqlite3 work.db "$weights")" = "$expected_long" ] || fail "a lock, $try, changed the weights"
done

# A reader that never ends lets the log grow: 300 MB are in it, and whoever trains is told, once; afterwards it is empty.
fresh
{ printf '.timeout 5000\nbegin;\nselect count(*) from document;\n.shell touch reads\n'
    while [ ! -e read ]; do sleep 0.1; done; } | sqlite3 work.db >/dev/null &
await_file reads
sqlite3 work.db '.timeout 5000' 'create table filler (value)' 'insert into filler values (zeroblob(300000000))' \
    'delete from filler' >/dev/null || fail 'filling the log'
fit 3 || fail 'fit beside a large log'
[ "$(grep -c "the log '[^']*work.db-wal' has [0-9]* MiB and grows" messages)" = 1 ] || fail 'a large log is not told, or more than once'
touch read
wait
rm read
fit 1 || fail 'fit after a large log'
grep -q 'the log' messages && fail 'a log that is not large any more is told'
[ ! -e work.db-wal ] || fail 'the log is still there'

# A wide network's checkpoints fill the log themselves: alone they are not told of, and beside a reader from four states
# more than 256 MiB.
wide='9 --units 1024 --top-k 2000 --steps-per-epoch 3 --checkpoint-every 0.000001'
fresh
# shellcheck disable=SC2086 # a list of words, here and below
fit $wide || fail 'fit of a wide network'
grep -q 'the log' messages && fail 'the log of a wide network is told though nobody reads'
# A state is, with Adam, twice the weights.
usual=$(sqlite3 work.db "select 256 + (4 * 2 * sum(length(value)) >> 20) from parameter where kind = 'last'")
[ "$usual" -ge 300 ] || fail "the network is not wide: $usual"
fresh
{ printf '.timeout 5000\nbegin;\nselect count(*) from document;\n.shell touch reads\n'
    while [ ! -e read ]; do sleep 0.1; done; } | sqlite3 work.db >/dev/null &
await_file reads
fit $wide || fail 'fit of a wide network beside a reader'
told=$(sed -n "s/.*the log '[^']*work.db-wal' has \([0-9]*\) MiB and grows.*/\1/p" messages)
[ "$(echo "$told" | wc -w)" = 1 ] && [ "$told" -ge "$usual" ] ||
    fail "a wide network's log is not told, or more than once, or below $usual MiB: $told"
touch read
wait
rm read

# Checkpoints and commits at every step, readers that come and go, and another program that empties the log all the
# time: where the log begins anew a commit could be lost (B9).
[ $nightly = yes ] && rounds=100 || rounds=1
while [ $rounds -gt 0 ]; do
    rounds=$((rounds - 1))
    fresh
    touch reading
    for reader in 1 2; do
        while [ -e reading ]; do sqlite3 -readonly work.db 'select * from history' >/dev/null 2>&1; done &
    done
    while [ -e reading ]; do sqlite3 work.db '.timeout 5000' 'pragma wal_checkpoint(truncate)' >/dev/null 2>&1; done &
    fit 8 --checkpoint-every 0.001 || fail 'fit while the log is emptied'
    rm reading
    wait
    sound work.db || fail 'the log was emptied: the file is not sound'
    [ "$(sqlite3 work.db "$weights" 'select count(*) from epoch')" = "$(printf '%s\n8' "$expected")" ] ||
        fail 'the log was emptied: something is lost'
done

# A terminal's Ctrl-Z, or a machine that sleeps (G2), in a run long enough to be met.
expected=$expected_long
fresh
fit_in_background 1000
kill -STOP $pid
sleep 1
kill -CONT $pid || fail 'the fit had ended before it was stopped'
wait $pid || fail 'a fit that was stopped and continued'
[ "$(sqlite3 work.db "$weights")" = "$expected" ] || fail 'being stopped for a while changed the weights'

# A second dbtrain is refused at once (B3); rows that are deleted meanwhile are missed where texts are read: in a
# single endless epoch (B5).
delete_some() {
    sqlite3 work.db '.timeout 5000' \
        'delete from split_document where position % 7 = 3; delete from document where id % 7 = 4'
}
fresh
timeout -s KILL 600 "$program" fit work.db --validation test --batch-size 4 --units 32 --epochs 1 \
    --steps-per-epoch 2000000000 >messages 2>&1 &
pid=$!
await 'select 1 from run where vectorizer_id is not null' # it trains; before that a refusal leaves no run
"$program" fit work.db >second 2>&1
[ $? -eq 5 ] || fail 'a second dbtrain was not refused'
delete_some
wait $pid
[ $? -eq 4 ] || fail 'documents were deleted while it trained'
[ "$(sqlite3 work.db "select count(*) from run where status = 'failed'")" = 1 ] || fail 'the run of deleted documents'
# What refers to the deleted documents is left by whoever deleted them.
[ "$(sqlite3 work.db 'pragma integrity_check')" = ok ] || fail 'deleted documents: the file is not sound'

# Where the vectorized rows are kept they are those of the beginning.
fresh
fit_in_background 1000
delete_some
kill -0 $pid || fail 'the fit had ended before documents were deleted'
wait $pid || fail 'documents were deleted while their rows were kept'
[ "$(sqlite3 work.db "$weights")" = "$expected" ] || fail 'deleted documents changed the weights'
grep -q "documents of split 'train' were changed by another program" messages || fail 'deleted documents: it is not told'
change="update document set text = 'x' where id = (select max(document_id) from split_document join split on split.id = split_id
    where name = 'test')"
renamed="update split set name = 'gone' where name = 'test'"
for do in "$change" "$renamed" 'create table mine (a); insert into mine values (1)'; do
    fresh
    fit_in_background 1000
    sqlite3 work.db '.timeout 5000' "$do"
    kill -0 $pid || fail 'the fit had ended before something was changed'
    wait $pid || fail 'something was changed while it trained'
    said=$(sqlite3 work.db 'select message from run')
    case $do in
    create*) wanted= ;;
    *) wanted="documents of split 'test' were changed by another program while the run was under way" ;;
    esac
    [ "$said" = "$wanted" ] || fail "$do: the run says '$said'"
    [ -z "$wanted" ] || grep -q "$wanted" messages || fail "$do: it is not told"
done

# Two that begin at the same moment, again and again: one of them writes at a time, the other is refused, or comes after
# it (B3).
rm -f work.db*
case ${DBT_AMOUNT-} in nightly) races=1000 ;; sample) races=5 ;; *) races=25 ;; esac
for race in $(seq $races); do
    rivals=
    for rival in 1 2; do
        "$program" ingest work.db "$data/quickstart-test.csv" --again >"said$rival" 2>&1 &
        rivals="$rivals $!"
    done
    for pid in $rivals; do
        wait "$pid"
        code=$?
        [ $code -eq 0 ] && echo won >>races
        [ $code -eq 0 ] || [ $code -eq 5 ] || fail "race $race: exit $code: $(cat said1 said2)"
    done
done
[ "$(wc -l <races)" -ge $races ] || fail 'a race that nobody won'
[ "$(sqlite3 work.db 'select count(*) from document')" -eq $((110 * $(wc -l <races))) ] || fail 'races: rows'
sound work.db || fail 'races: the file is not sound'
[ ! -e work.db-writer ] || fail 'races: the lock file stayed'

# A table or column that is gone meanwhile is an error that names it, and the rest is as it was (B6).
for do in 'drop table epoch' 'alter table epoch rename to mine' 'alter table epoch rename column loss to mine' \
    'drop table epoch; create view epoch as select 1 as run_id'; do
    fresh
    fit_in_background 100000
    sqlite3 work.db '.timeout 5000' "$do" 2>/dev/null
    wait $pid
    code=$?
    [ $code -eq 4 ] || fail "$do: exit $code"
    grep -q 'another program has changed its tables' messages || fail "$do: $(cat messages)"
    sound work.db || fail "$do: the file is not sound"
    [ "$(sqlite3 work.db 'select count(*) from run')" = 1 ] || fail "$do: the run is gone"
done
# The file is made anew by a VACUUM, columns of another's come to it: the training goes on.
fresh
sqlite3 work.db 'create table mine (a)'
fit_in_background 1000
for do in vacuum 'alter table mine add column b' 'alter table document add column mine text' vacuum; do
    sqlite3 work.db '.timeout 5000' "$do" || fail "$do"
done
kill -0 $pid || fail 'VACUUM: the fit had ended before'
wait $pid || fail "VACUUM, new columns: $(cat messages)"
[ "$(sqlite3 work.db "$weights")" = "$expected" ] || fail 'VACUUM and new columns changed the weights'

# The file is replaced by another of the same name: nothing is written into that one (A9).
fresh
cp ingested.db other.db
before=$(cksum <other.db)
fit_in_background 100000
mv work.db moved.db
mv other.db work.db
wait $pid
[ $? -eq 4 ] || fail 'the file was replaced while it trained'
[ "$(cksum <work.db)" = "$before" ] || fail 'the other file was written to'

# It is overwritten in place, by nothing, by another file, by its own older state (A9): dbtrain ends and leaves it so.
fresh
"$program" ingest other.db "$data/quickstart-test.csv" >messages 2>&1 || fail ingest
cp ingested.db older.db
: >nothing.db
[ -n "${SANITIZED-}" ] && steps=40000 || steps=200000 # an epoch takes a second or more
[ $nightly = yes ] && rounds=30 || rounds=2
while [ $rounds -gt 0 ]; do
    rounds=$((rounds - 1))
    for with in nothing other older; do
        fresh
        # In the middle of an epoch of a second or more: a file that is overwritten just as its log is moved into it is
        # a mixture.
        "$program" fit work.db --validation test --batch-size 4 --units 32 --epochs 1000 --patience 1000 --seed 1 \
            --steps-per-epoch $steps --checkpoint-every 0 >messages 2>&1 &
        pid=$!
        await 'select 1 from epoch'
        sleep "0.$(awk "BEGIN { srand($rounds); print 100 + int(rand() * 300) }")"
        cat $with.db >work.db
        wait $pid
        [ $? -eq 4 ] || fail "the file was overwritten by $with while it trained"
        grep -q "'work.db' was written to" messages || fail "overwritten by $with: it is not told"
        cmp -s work.db $with.db || fail "the file that was overwritten by $with was written to"
    done
done

# File, log and index as they were not left together (A10): a state that was committed, or a refusal. What becomes of a
# file under the log of another SQLite does not say: only that dbtrain ends, and with no code of a bug.
kill_a_fit() { # NAME SPLIT: what a killed fit leaves of work.db, as NAME.db, NAME.db-wal, NAME.db-shm
    "$program" fit work.db --train "$2" --validation "$2" --batch-size 4 --epochs 100000 --patience 100000 \
        >messages 2>&1 &
    pid=$!
    await 'select 1 from epoch'
    kill -KILL $pid
    wait $pid 2>/dev/null
    for part in db db-wal db-shm; do cp "work.$part" "$1.$part"; done
}
fresh
kill_a_fit own train
rm -f work.db*
"$program" ingest work.db "$data/quickstart-test.csv" >messages 2>&1 || fail ingest
kill_a_fit other test
head -c 70000 own.db-wal >short.db-wal
: >empty.db-wal
put_together() { # CODES FILE LOG INDEX: dbtrain ends with one of the codes; where that can only be 0 the file is sound
    rm -f work.db*
    cp "$2" work.db
    [ "$3" = - ] || cp "$3" work.db-wal
    [ "$4" = - ] || cp "$4" work.db-shm
    timeout -s KILL 60 "$program" info work.db >messages 2>&1
    code=$?
    case " $1 " in *" $code "*) ;; *) fail "info of $2, $3, $4: exit $code" ;; esac
    timeout -s KILL 60 "$program" fit work.db --epochs 1 --units 4 --top-k 100 --train "$(
        sqlite3 -readonly work.db 'select name from split limit 1' 2>/dev/null)" >messages 2>&1
    code=$?
    case " $1 " in *" $code "*) ;; *) fail "fit of $2, $3, $4: exit $code" ;; esac
    [ "$1" != 0 ] || sound work.db || fail "fit of $2, $3, $4: the file is not sound"
}
put_together 0 own.db own.db-wal own.db-shm
put_together 0 own.db own.db-wal -
put_together 0 own.db - own.db-shm
put_together 0 own.db - -
put_together 0 own.db own.db-wal other.db-shm
put_together 0 own.db - other.db-shm
put_together 0 own.db short.db-wal own.db-shm
put_together 0 own.db empty.db-wal own.db-shm
put_together 0 ingested.db own.db-wal -
put_together '0 2 3 4' own.db other.db-wal own.db-shm
put_together '0 2 3 4' own.db other.db-wal -
put_together '0 2 3 4' other.db own.db-wal other.db-shm
exit $failed

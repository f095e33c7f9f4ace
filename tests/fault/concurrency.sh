#!/bin/sh
# tests/fault/concurrency.sh: others use the file while dbtrain works (FAULTS A9, A10, B1 to B6): shells that read,
# hold locks, drop tables and delete rows, a second dbtrain, a file that is replaced, a log that is deleted.
#
# DBTRAIN is the program.
set -u
here=$(cd "$(dirname "$0")" && pwd)
data=$here/../data
program=${DBTRAIN:-$here/../../build/cli/dbtrain}
[ "${DBT_AMOUNT-}" = nightly ] && epochs=2000 || epochs=60
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
cd "$scratch" || exit 2
failed=0
fail() {
    echo "FAILED: $*" >&2
    tail -n 5 messages | sed 's/^/    /' >&2
    failed=1
}
fit() { # EPOCHS: of a network that takes a moment for each
    timeout -s KILL 600 "$program" fit work.db --validation test --batch-size 4 --units 32 --epochs "$1" \
        --patience "$1" --seed 1 >messages 2>&1
}
fresh() {
    rm -f work.db*
    cp ingested.db work.db
}
sound() { [ "$(sqlite3 "$1" 'pragma integrity_check')" = ok ]; }
await() { # QUERY: until it gives a row, for a minute at most
    tries=0
    while [ -z "$(sqlite3 -readonly work.db "$1" 2>/dev/null)" ] && [ $tries -lt 600 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}
weights="select group_concat(kind || layer || name || digest) from (select * from parameter order by 1, 2, 3, 4)"
"$program" ingest ingested.db "$data/quickstart-train.csv" "$data/quickstart-test.csv" >messages 2>&1 ||
    { fail ingest; exit 1; }

# Eight shells read the documented views at full speed through a fit (B4).
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
for reader in 1 2 3 4 5 6 7 8; do
    (
        while [ -e reading ]; do
            sqlite3 -readonly -bail work.db <queries >/dev/null 2>>"reader$reader" || echo failed >>"reader$reader"
            echo round >>rounds
        done
    ) &
done
fit $epochs || fail 'fit with eight readers'
rm reading
wait
[ -z "$(cat reader*)" ] || fail "a reader: $(cat reader* | sort | uniq -c | head -n 3)"
[ "$(wc -l <rounds)" -ge 8 ] || fail 'the readers did not read'

# A shell reads all through a run, in one transaction (B2); another holds the writer's lock for a second (B1).
fresh
fit 8 || fail fit
expected=$(sqlite3 work.db "$weights")
fresh
{ printf 'begin;\nselect count(*) from document;\n'; sleep 3; echo 'commit;'; } | sqlite3 work.db >/dev/null &
{ printf '.timeout 5000\nbegin immediate;\n'; sleep 1; echo 'rollback;'; } | sqlite3 work.db &
fit 8 || fail 'fit beside a reader and a lock'
wait
[ "$(sqlite3 work.db "$weights")" = "$expected" ] || fail 'a reader and a lock changed the weights'

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
await 'select 1 from run'
"$program" fit work.db >second 2>&1
[ $? -eq 5 ] || fail 'a second dbtrain was not refused'
delete_some
wait $pid
[ $? -eq 4 ] || fail 'documents were deleted while it trained'
[ "$(sqlite3 work.db "select count(*) from run where status = 'failed'")" = 1 ] || fail 'the run of deleted documents'
sound work.db || fail 'deleted documents: the file is not sound'

# Where the vectorized rows are kept they are those of the beginning.
fresh
fit 8 &
pid=$!
await 'select 1 from epoch'
delete_some
wait $pid || fail 'documents were deleted while their rows were kept'
[ "$(sqlite3 work.db "$weights")" = "$expected" ] || fail 'deleted documents changed the weights'

# A table that is dropped meanwhile is an error that names it, and the rest is as it was (B6).
fresh
fit 100000 &
pid=$!
await 'select 1 from epoch'
sqlite3 work.db '.timeout 5000' 'drop table epoch' 2>/dev/null
wait $pid
code=$?
[ $code -ge 1 ] && [ $code -le 6 ] || fail "a dropped table: exit $code"
grep -q epoch messages || fail 'a dropped table is not named'
sound work.db || fail 'a dropped table: the file is not sound'

# The file is replaced by another of the same name: nothing is written into that one (A9).
fresh
cp ingested.db other.db
before=$(cksum <other.db)
fit 100000 &
pid=$!
await 'select 1 from epoch'
mv work.db moved.db
mv other.db work.db
wait $pid
[ $? -eq 4 ] || fail 'the file was replaced while it trained'
[ "$(cksum <work.db)" = "$before" ] || fail 'the other file was written to'

# A log that is lost takes its commits with it, and what is left is sound (A10).
fresh
"$program" fit work.db --validation test --batch-size 4 --epochs 100000 --patience 100000 >messages 2>&1 &
pid=$!
await 'select 1 from epoch'
kill -KILL $pid
wait $pid 2>/dev/null
rm -f work.db-wal work.db-shm
fit 2 || fail 'fit after the log was deleted'
sound work.db || fail 'a deleted log: the file is not sound'
exit $failed

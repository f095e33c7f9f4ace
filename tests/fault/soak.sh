#!/bin/sh
# tests/fault/soak.sh [SECONDS]: a long run (FAULTS G6): one training that goes on all the time beside two reading
# shells, and another file that is ingested into, trained on, killed and gone on with again and again. Its memory
# and descriptors stay what they are, its log is small whenever nobody reads, and both files are sound.
# 600 seconds, or so many; a release is tried for 86400. DBTRAIN is the program.
. "$(dirname "$0")/common.sh"
seconds=${1:-600}
end=$(($(date +%s) + seconds))
now() { date +%s; }
options='--validation test --batch-size 2 --epochs 1000000 --patience 1000000 --checkpoint-every 1 --threads 1'
memory() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }
descriptors() { ls "/proc/$1/fd" | wc -l; }
log_bytes() { stat -c %s "$1-wal" 2>/dev/null || echo 0; }

run_and_kill() { # a file of its own: an ingest, a training that is killed after a random time and one that goes on
    "$program" ingest other.db "$data/quickstart-train.csv" --again >kill-messages 2>&1 || { fail 'an ingest'; return; }
    # shellcheck disable=SC2086 # a list of words, here and below
    "$program" fit other.db --validation-split 0.2 --batch-size 16 --units 16 --epochs 40 --patience 40 \
        --checkpoint-every 0.1 --threads 2 >kill-messages 2>&1 &
    victim=$!
    sleep "0.$(od -An -N1 -tu1 /dev/urandom | tr -d ' ')"
    kill -KILL $victim 2>/dev/null
    wait $victim 2>/dev/null
    sound other.db || fail 'a file after a kill is not sound'
    runs=$(sqlite3 other.db "select count(*) from run where status = 'running'")
    [ "$runs" = 0 ] || "$program" fit other.db --resume >kill-messages 2>&1 || fail "going on: $(tail -n 1 kill-messages)"
    "$program" rm other.db "$(sqlite3 other.db 'select max(id) from run')" >kill-messages 2>&1
}

"$program" ingest work.db "$data/quickstart-train.csv" "$data/quickstart-test.csv" >messages 2>&1 || { fail ingest; exit 1; }
# shellcheck disable=SC2086
"$program" fit work.db $options >messages 2>&1 &
pid=$!
sleep 5
touch reading
for reader in 1 2; do
    while [ -e reading ]; do
        sqlite3 -readonly work.db 'select count(*), min(loss) from history' >/dev/null 2>>"reader$reader"
        sleep 0.2
    done &
done
first=$(memory $pid)
files=$(descriptors $pid)
most=$first
rounds=0
while [ "$(now)" -lt $end ] && kill -0 $pid 2>/dev/null; do
    run_and_kill
    rounds=$((rounds + 1))
    last=$(memory $pid)
    [ "${last:-0}" -le $most ] || most=$last
    try=0 # one is open for a moment while the log is synced
    while [ "$(descriptors $pid)" -ne "$files" ] && [ $try -lt 20 ]; do
        try=$((try + 1))
        sleep 0.05
    done
    [ $try -lt 20 ] || fail "the training has not $files descriptors"
done
rm reading
sleep 2
small=no # the log begins anew at a commit after the readers have gone
for try in 1 2 3 4 5 6 7 8 9 10; do
    [ "$(log_bytes work.db)" -gt 8000000 ] || small=yes
    sleep 0.2
done
[ $small = yes ] || fail "the log has $(log_bytes work.db) bytes, and nobody reads"
kill -0 $pid 2>/dev/null || fail 'the training ended'
kill -TERM $pid 2>/dev/null
wait $pid
[ $? -eq 143 ] || fail 'the training was not ended as it should be'
wait
[ -z "$(cat reader*)" ] || fail "a reader: $(sort reader* | uniq -c | head -n 3)"
sound work.db || fail 'the file is not sound'
# The history and its page cache grow a little; 2 MiB and a hundredth are neither a leak of steps nor of epochs.
[ "$most" -le $((first + first / 100 + 2048)) ] || fail "the training grew from $first to $most KiB"
epochs=$(sqlite3 work.db 'select count(*) from epoch')
[ "$epochs" = "$(sqlite3 work.db 'select max(epoch) from epoch')" ] || fail 'an epoch is missing'
echo "$seconds seconds: $epochs epochs, $rounds rounds of kills, $first to $most KiB, $files descriptors"
exit $failed

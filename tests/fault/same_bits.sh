#!/bin/sh
# tests/fault/same_bits.sh: the same seed gives the same bits, whatever the threads, the checkpoints, the cache, and
# what else the machine does (FAULTS F5). Fits of the quickstart corpus, drawn at random, beside busy processes: 60,
# nightly 1,000.
. "$(dirname "$0")/common.sh"
case ${DBT_AMOUNT-} in nightly) runs=1000 ;; sample) runs=10 ;; *) runs=60 ;; esac
"$program" ingest ingested.db "$data/quickstart-train.csv" "$data/quickstart-test.csv" >messages 2>&1 ||
    { fail ingest; exit 1; }
bits="select group_concat(kind || layer || name || digest) || (select group_concat(loss || ' ' || val_loss) from epoch)
    from (select * from parameter order by 1, 2, 3, 4)"
draw() { # N: so many lines of options that change no bits
    awk -v n="$1" -v seed="${DBT_SEED:-123}" '
        function any(list, choices) { return choices[1 + int(split(list, choices) * rand())] }
        BEGIN {
            srand(seed)
            while (n-- > 0) print "--threads", any("1 2 3 4 8"), "--checkpoint-every", any("0 0.001 60"),
                rand() < 0.3 ? "--cache" : ""
        }'
}

touch busy
for priority in 0 19; do
    nice -n $priority sh -c "while [ -e busy ] && kill -0 $$ 2>/dev/null; do :; done" &
done
done=0
for settings in '--units 16' '--batch-size 16 --dropout 0.5' '--optimizer sgd --class-weight balanced'; do
    expected=
    draw $((runs / 3 + 1)) >draws
    while read -r options; do
        fresh
        # shellcheck disable=SC2086 # words
        "$program" fit work.db --epochs 2 --seed 1 $settings $options >messages 2>&1 || fail "fit $settings $options"
        got=$(sqlite3 work.db "$bits")
        [ -n "$got" ] && [ "${expected:=$got}" = "$got" ] || fail "fit $settings $options: other bits"
        done=$((done + 1))
    done <draws
done
rm busy
wait
echo "$done fits"
[ $done -ge $runs ] || fail "$done fits of $runs"
exit $failed

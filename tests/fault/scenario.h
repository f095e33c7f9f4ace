/*
 * scenario.h: what the fault tests do to the library, and what must hold afterwards, whatever
 * failed.
 *
 * A scenario is one command on a small file, through the public interface, in one thread, but for
 * one, so that the same point fails in every run: three sources are ingested (into an empty file,
 * again after a crash, on from where an ingest was stopped), a run is fitted, evaluated, predicted
 * with, the file is looked at. It begins from a prepared file, a copy of which is laid out for each
 * run.
 *
 * scenario_check then looks at the file with SQLite's own file system (FAULTS I1 to I5): it is
 * sound, what was acknowledged is there, nothing is there in part, and the same command repeated
 * without a fault succeeds and leaves what an undisturbed run leaves.
 */
#ifndef DBT_TEST_SCENARIO_H
#define DBT_TEST_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#include <dbtrain/status.h>

/*
 * X(program, name, kind), with what `program` is given.
 *   ingest_after_a_crash   the log holds a half-loaded source and the schema of an older version
 *   ingest_resumed         of one source some rows are there, and of these the last ones read
 *                          otherwise now
 *   fit_on_a_log           the documents are in the log
 *   fit_in_threads         of two threads, and a third one that stores the vocabulary meanwhile
 *   evaluate_on_a_journal  the file is out of WAL mode, and who wrote it was killed
 */
#define SCENARIO_WRITE_LIST(X, program)                                                            \
    X(program, ingest, SCENARIO_INGEST)                                                            \
    X(program, ingest_after_a_crash, SCENARIO_INGEST_LOG)                                          \
    X(program, ingest_resumed, SCENARIO_INGEST_RESUMED)                                            \
    X(program, fit, SCENARIO_FIT)                                                                  \
    X(program, fit_on_a_log, SCENARIO_FIT_LOG)                                                     \
    X(program, fit_in_threads, SCENARIO_FIT_THREADS)                                               \
    X(program, evaluate, SCENARIO_EVALUATE)                                                        \
    X(program, evaluate_on_a_journal, SCENARIO_EVALUATE_JOURNAL)
#define SCENARIO_LIST(X, program)                                                                  \
    SCENARIO_WRITE_LIST(X, program)                                                                \
    X(program, predict, SCENARIO_PREDICT)                                                          \
    X(program, info, SCENARIO_INFO)

typedef enum scenario_kind {
#define SCENARIO_ENUM(program, name, kind) kind,
    SCENARIO_LIST(SCENARIO_ENUM, )
#undef SCENARIO_ENUM
        SCENARIOS
} scenario_kind;

/* How a run of a scenario went. */
typedef struct scenario_outcome {
    dbt_status status;
    dbt_status closed; /* of dbt_store_close */
    dbt_error err;
    int64_t documents; /* that were acknowledged */
    int64_t epochs;
    int64_t best_epoch; /* whose weights are said to be kept */
    double answer;      /* of the scenarios that only read */
} scenario_outcome;

const char *scenario_name(scenario_kind kind);
/* Makes the sources, the prepared files and, from undisturbed runs, what is expected; false when
 * that fails. `folder` is the test's own. */
bool scenario_prepare(const char *folder);
/* Lays the prepared file out as `folder`/work.db, without any trace of an earlier run. */
void scenario_reset(scenario_kind kind);
const char *scenario_path(void);
/* Runs the command on it. */
scenario_outcome scenario_run(scenario_kind kind);
/* NULL: all is as it must be after that outcome; else what is not, in static memory. `repeat`: the
 * command is run again, too, and its result compared. */
const char *scenario_check(scenario_kind kind, const scenario_outcome *outcome, bool repeat);

#endif

/*
 * evaluate.c: a model on a split: the report, and its rows in evaluation and prediction.
 *
 * Everything is written in one transaction around the scan, which reads through the cursor's own
 * connection: whoever looks on sees the old evaluation or the new one, never half of one.
 */
#include <math.h>
#include <stdlib.h>

#include <dbtrain/cursor.h>
#include <dbtrain/pool.h>

#include "confusion.h"
#include "model.h"
#include "page_rows.h"
#include "scan.h"
#include "exposure.h"
#include "sql.h"
#include "store_internal.h"
#include "unfinished.h"
#include "weights.h"

/* Labels of the split that the model does not know: classes after its outputs. */
struct dbt__report_memory {
    dbt__label_map unknown;
};

typedef struct evaluation {
    const dbt_model *model;
    dbt_report *report;
    dbt__sql *sql;
    int64_t split_id;
    bool storing;
    dbt__bulk insert;
    dbt__hasher *hasher; /* over what each document is, in order */
    char fingerprint[DBT__DIGEST_CHARS];
    dbt__confusion confusion;
} evaluation;

static dbt_status store_page(evaluation *e, const dbt__scanned *scanned, dbt_error *err)
{
    dbt_status status = DBT_OK;
    for (size_t at = 0, rows; status == DBT_OK && at < scanned->n_rows; at += rows) {
        dbt__statement *insert;
        rows = dbt__bulk_next(&e->insert, scanned->n_rows - at, &insert);
        dbt__bind_int(insert, 1, e->model->run_id);
        dbt__bind_int(insert, 2, e->split_id);
        dbt__bind_string(insert, 3, dbt__weights_name(e->model->weights));
        for (size_t i = at; i < at + rows; i++) {
            int index = (int)(3 * (i - at) + 4);
            dbt__bind_int(insert, index, scanned->document_id[i]);
            dbt__bind_int(insert, index + 1, e->model->labels.label[scanned->predicted[i]].id);
            dbt__bind_double(insert, index + 2, (double)scanned->probability[i]);
        }
        status = dbt__run(insert, err);
    }
    return status;
}

/* Row by row: it must not depend on how many are a page. */
static void hash_page(dbt__hasher *hasher, const dbt__scanned *scanned)
{
    for (size_t i = 0; i < scanned->n_rows; i++) {
        struct {
            int64_t document_id, label_id;
            uint64_t text_hash;
        } row = {scanned->document_id[i], scanned->label_id[i], scanned->text_hash[i]};
        dbt__hasher_update(hasher, &row, sizeof row);
    }
}

static dbt_status visit_page(void *context, const dbt__scanned *scanned, dbt_error *err)
{
    evaluation *e = context;
    dbt_status status = DBT_OK;
    hash_page(e->hasher, scanned);
    for (size_t i = 0; status == DBT_OK && i < scanned->n_rows; i++) {
        if (!isfinite(scanned->probability[i])) return dbt__model_diverged(e->model, err);
        e->report->predicted[scanned->predicted[i]]++;
        if (scanned->actual[i] == DBT_NO_LABEL)
            e->report->unlabelled++;
        else
            status = dbt__confusion_count(&e->confusion, scanned->label_id[i],
                                          scanned->predicted[i], err);
    }
    return status == DBT_OK && e->storing ? store_page(e, scanned, err) : status;
}

/* --- the report --- */

/* Names the labels that the model does not know, and counts their documents. */
static dbt_status find_unknown_labels(evaluation *e, dbt_error *err)
{
    dbt__label_map *unknown = &e->report->memory->unknown;
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < e->confusion.n; i++) {
        const dbt__pair *pair = &e->confusion.slots[i];
        if (dbt__label_map_output(&e->model->labels, pair->label_id) == DBT_UNKNOWN_LABEL)
            status = dbt__label_map_count(unknown, pair->label_id, pair->documents, err);
    }
    return status == DBT_OK ? dbt__label_map_finish(unknown, e->sql, err) : status;
}

/* The model's labels by output, then those that it does not know. */
static size_t class_of(const evaluation *e, int64_t label_id)
{
    int32_t output = dbt__label_map_output(&e->model->labels, label_id);
    if (output != DBT_UNKNOWN_LABEL) return (size_t)output;
    return e->model->labels.n +
           (size_t)dbt__label_map_output(&e->report->memory->unknown, label_id);
}

static int compare_cells(const void *a, const void *b)
{
    const dbt_report_cell *x = a, *y = b;
    if (x->actual != y->actual) return x->actual < y->actual ? -1 : 1;
    return (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

static void fill_cells(evaluation *e)
{
    dbt_report *report = e->report;
    report->n_cells = e->confusion.n;
    for (size_t i = 0; i < report->n_cells; i++) {
        const dbt__pair *pair = &e->confusion.slots[i];
        report->cell[i] = (dbt_report_cell){class_of(e, pair->label_id), (size_t)pair->predicted,
                                            pair->documents};
    }
    if (report->n_cells > 0)
        qsort(report->cell, report->n_cells, sizeof *report->cell, compare_cells);
}

int64_t dbt_report_documents(const dbt_report *report, size_t actual, size_t predicted)
{
    const dbt_report_cell wanted = {.actual = actual, .predicted = predicted};
    if (report->n_cells == 0) return 0;
    const dbt_report_cell *found =
        bsearch(&wanted, report->cell, report->n_cells, sizeof wanted, compare_cells);
    return found == NULL ? 0 : found->documents;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

/* precision = tp / predicted, recall = tp / support, f1 = 2 tp / (predicted + support); 0 where
 * undefined. */
static void fill_rows(evaluation *e)
{
    dbt_report *report = e->report;
    size_t n = report->n_outputs;
    for (size_t i = 0; i < report->n_cells; i++) {
        const dbt_report_cell *cell = &report->cell[i];
        report->class_row[cell->actual].support += cell->documents;
        report->class_row[cell->predicted].predicted += cell->documents;
        if (cell->actual == cell->predicted)
            report->class_row[cell->actual].correct = cell->documents;
    }
    for (size_t i = 0; i < report->n_classes; i++) {
        dbt_class_row *row = &report->class_row[i];
        row->label =
            i < n ? e->model->labels.label[i].name : report->memory->unknown.label[i - n].name;
        row->precision = ratio((double)row->correct, (double)row->predicted);
        row->recall = ratio((double)row->correct, (double)row->support);
        row->f1 = ratio(2 * (double)row->correct, (double)row->predicted + (double)row->support);
    }
}

static void fill_averages(dbt_report *report)
{
    double n = 0, total = (double)report->documents;
    for (size_t i = 0; i < report->n_classes; i++)
        n += report->class_row[i].support + report->class_row[i].predicted > 0;
    for (size_t i = 0; i < report->n_classes; i++) {
        const dbt_class_row *row = &report->class_row[i];
        double share = ratio((double)row->support, total);
        report->macro_precision += ratio(row->precision, n);
        report->macro_recall += ratio(row->recall, n);
        report->macro_f1 += ratio(row->f1, n);
        report->weighted_precision += share * row->precision;
        report->weighted_recall += share * row->recall;
        report->weighted_f1 += share * row->f1;
    }
}

static dbt_status fill_classes(evaluation *e, dbt_error *err)
{
    dbt_report *report = e->report;
    dbt__confusion_compact(&e->confusion);
    dbt_status status = find_unknown_labels(e, err);
    if (status < 0) return status;
    report->n_outputs = e->model->labels.n;
    report->n_classes = report->n_outputs + report->memory->unknown.n;
    report->class_row = dbt__alloc_array(report->n_classes, sizeof *report->class_row);
    report->cell = dbt__alloc_array(e->confusion.n, sizeof *report->cell);
    if (report->class_row == NULL || report->cell == NULL)
        return dbt__out_of_memory(err, "a report");
    fill_cells(e);
    fill_rows(e);
    fill_averages(report);
    return DBT_OK;
}

static dbt_status fill_report(evaluation *e, const dbt_metrics *metrics, dbt_error *err)
{
    dbt_report *report = e->report;
    /* 0 documents with a label give NaN: there is nothing to say. */
    report->documents = (int64_t)metrics->n_rows;
    report->loss = metrics->loss / (double)metrics->n_rows + dbt_network_penalty(e->model->network);
    report->acc = metrics->correct / (double)metrics->n_rows;
    dbt__exposure exposure;
    dbt_status status = dbt__exposure_find(e->sql, e->model->run_id, e->split_id, &exposure, err);
    report->is_train = exposure.in_training;
    report->is_validation = exposure.in_validation;
    report->is_recut = exposure.is_recut;
    return status == DBT_OK ? fill_classes(e, err) : status;
}

/* Whether the split is what it was when it was evaluated before. */
static dbt_status compare_fingerprint(evaluation *e, dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt__digest_text(dbt__hasher_digest(e->hasher), e->fingerprint);
    dbt_status status = dbt__prepare(e->sql,
                                     "SELECT min(run_id) FROM evaluation WHERE split_id = ?1"
                                     " AND fingerprint <> ?2",
                                     &select, err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, e->split_id);
    dbt__bind_string(select, 2, e->fingerprint);
    status = dbt__step(select, err);
    if (status == DBT_OK) e->report->changed_since = dbt__column_int(select, 0);
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

/* Deletes what an earlier evaluation of the same split, run and weights stored. */
static dbt_status forget(evaluation *e, const char *table_delete, dbt_error *err)
{
    dbt__statement *statement = NULL;
    dbt_status status = dbt__prepare(e->sql, table_delete, &statement, err);
    if (status < 0) return status;
    dbt__bind_int(statement, 1, e->model->run_id);
    dbt__bind_int(statement, 2, e->split_id);
    dbt__bind_string(statement, 3, dbt__weights_name(e->model->weights));
    status = dbt__run(statement, err);
    dbt__finalize(statement);
    return status;
}

static dbt_status begin_storing(evaluation *e, dbt_error *err)
{
    dbt_status status = dbt__sql_begin(e->sql, err);
    if (status == DBT_OK)
        status =
            forget(e, "DELETE FROM prediction WHERE run_id = ? AND split_id = ? AND kind = ?", err);
    if (status == DBT_OK)
        status = dbt__bulk_prepare(e->sql,
                                   "REPLACE INTO prediction (run_id, split_id, kind,"
                                   " document_id, label_id, probability) VALUES",
                                   "(?1, ?2, ?3, ?, ?, ?)", &e->insert, err);
    return status;
}

static dbt_status store_evaluation(evaluation *e, dbt_error *err)
{
    dbt__statement *statement = NULL;
    dbt_status status = dbt__prepare(e->sql,
                                     "INSERT INTO evaluation (run_id, split_id, kind, documents,"
                                     " loss, acc, fingerprint) VALUES (?, ?, ?, ?, ?, ?, ?)",
                                     &statement, err);
    if (status < 0) return status;
    dbt__bind_int(statement, 1, e->model->run_id);
    dbt__bind_int(statement, 2, e->split_id);
    dbt__bind_string(statement, 3, dbt__weights_name(e->model->weights));
    dbt__bind_int(statement, 4, e->report->documents);
    dbt__bind_double(statement, 5, e->report->loss);
    dbt__bind_double(statement, 6, e->report->acc);
    dbt__bind_string(statement, 7, e->fingerprint);
    status = dbt__run(statement, err);
    dbt__finalize(statement);
    return status;
}

static dbt_status end_storing(evaluation *e, dbt_error *err)
{
    dbt_status status =
        forget(e, "DELETE FROM evaluation WHERE run_id = ? AND split_id = ? AND kind = ?", err);
    if (status == DBT_OK && e->report->documents > 0) status = store_evaluation(e, err);
    return status == DBT_OK ? dbt__sql_commit(e->sql, err) : status;
}

static dbt_status scan_split(evaluation *e, dbt_store *store, const char *split, int64_t documents,
                             size_t threads, const dbt_observer *observer, dbt_error *err)
{
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = split;
    options.verify = true;
    dbt_cursor *cursor = NULL;
    dbt_pool *pool = NULL;
    dbt__scanner *scanner = NULL;
    dbt_metrics metrics;
    dbt_status status =
        dbt__page_rows(store, split, documents, DBT__SCAN_ROWS, &options.batch_size, err);
    if (status == DBT_OK) status = dbt_cursor_open(store, &options, &cursor, err);
    if (status == DBT_OK)
        status = dbt_pool_new(threads == 0 ? dbt_usable_cores() : threads, &pool, err);
    const dbt__feed feed = {
        .cursor = cursor, .vectorizer = e->model->vectorizer, .batch_size = options.batch_size};
    if (status == DBT_OK)
        status = dbt__scanner_new(&feed, e->model->network, &e->model->labels, pool, &scanner, err);
    if (status == DBT_OK)
        status =
            dbt__scan(scanner, dbt_cursor_pages(cursor), visit_page, e, observer, &metrics, err);
    if (status == DBT_OK) status = fill_report(e, &metrics, err);
    dbt__scanner_free(scanner);
    dbt_pool_free(pool);
    dbt_cursor_close(cursor);
    return status;
}

static dbt_status allocate_evaluation(evaluation *e, dbt_error *err)
{
    e->hasher = dbt__hasher_new();
    e->report->memory = dbt__alloc(sizeof *e->report->memory);
    e->report->predicted = dbt__alloc_array(e->model->labels.n, sizeof *e->report->predicted);
    if (e->hasher == NULL || e->report->memory == NULL || e->report->predicted == NULL)
        return dbt__out_of_memory(err, "an evaluation");
    return DBT_OK;
}

static void release_evaluation(evaluation *e)
{
    dbt__confusion_release(&e->confusion);
    dbt__hasher_free(e->hasher);
}

dbt_status dbt_evaluate(dbt_store *store, const dbt_model *model, const char *split, size_t threads,
                        const dbt_observer *observer, dbt_report *report, dbt_error *err)
{
    *report = (dbt_report){0};
    evaluation e = {.model = model,
                    .report = report,
                    .sql = dbt__store_sql(store),
                    .storing = dbt_store_writable(store)};
    dbt_split found;
    dbt_status status = dbt__split_find_verified(store, split, &found, err);
    if (status == DBT_OK) status = dbt__unfinished_tell(e.sql, observer, split, NULL, err);
    if (status == DBT_OK) status = allocate_evaluation(&e, err);
    if (status == DBT_OK) e.split_id = found.id;
    if (status < 0) {
        release_evaluation(&e);
        return status;
    }
    if (e.storing) status = begin_storing(&e, err);
    if (status == DBT_OK)
        status = scan_split(&e, store, split, found.documents, threads, observer, err);
    dbt__bulk_finalize(&e.insert);
    if (status == DBT_OK) status = compare_fingerprint(&e, err);
    if (status == DBT_OK && e.storing) status = end_storing(&e, err);
    if (status < 0 && e.storing) dbt__sql_rollback(e.sql);
    report->stored = status == DBT_OK && e.storing;
    release_evaluation(&e);
    return status;
}

void dbt_report_release(dbt_report *report)
{
    dbt__free(report->predicted);
    dbt__free(report->class_row);
    dbt__free(report->cell);
    if (report->memory != NULL) dbt__label_map_release(&report->memory->unknown);
    dbt__free(report->memory);
    *report = (dbt_report){0};
}

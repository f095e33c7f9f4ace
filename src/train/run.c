/* run.c: rows of run, run_label and epoch. */
#include "run.h"

#include <stdio.h>
#include <string.h>

#include <dbtrain/cursor.h>

#include "settings.h"
#include "utf8.h"
#include "weights.h"

/* The digest of a run, and the one that is stored with it, '' when there is none. */
static dbt_status hash_run(dbt__sql *sql, int64_t run_id, char digest[DBT__DIGEST_CHARS],
                           char stored[DBT__DIGEST_CHARS], dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        sql,
        "SELECT json_array(r.seed, r.vectorizer_id,"
        " json_remove(checked_json(r.settings), '$.digest'),"
        /* json(): what a subquery gives is JSON to SQLite 3.40, and a string to later ones. */
        " json((SELECT json_group_array(name) FROM (SELECT l.name FROM run_label m"
        "  JOIN label l ON l.id = m.label_id WHERE m.run_id = r.id ORDER BY m.output)))),"
        " coalesce(checked_json(r.settings) ->> 'digest', '') FROM run r WHERE r.id = ?",
        &select, err);
    if (status < 0) return status;
    dbt__allow_bytes(select, DBT__LONGEST_ROWS); /* of all labels together */
    dbt__bind_int(select, 1, run_id);
    status = dbt__step(select, err);
    if (status == DBT_DONE)
        status = dbt__fail(err, DBT_EFORMAT, "run %lld is gone", (long long)run_id);
    if (status == DBT_OK) {
        dbt_text text = dbt__column_text(select, 0), old = dbt__column_text(select, 1);
        if (text.data == NULL || old.data == NULL) status = dbt__out_of_memory(err, "a run");
        if (status == DBT_OK) {
            dbt__digest_text(dbt__hash(text.data, text.bytes, 0), digest);
            /* Text of SQLite's need not end with a NUL; one that is too long is no digest. */
            int n = old.bytes < DBT__DIGEST_CHARS ? (int)old.bytes : 1;
            (void)snprintf(stored, DBT__DIGEST_CHARS, "%.*s", n, old.data);
        }
    }
    dbt__finalize(select);
    return status;
}

static dbt_status write_digest(dbt__sql *sql, int64_t run_id, dbt_error *err)
{
    char digest[DBT__DIGEST_CHARS], stored[DBT__DIGEST_CHARS];
    dbt__statement *update = NULL;
    dbt_status status = hash_run(sql, run_id, digest, stored, err);
    if (status == DBT_OK)
        status = dbt__prepare(sql,
                              "UPDATE run SET settings ="
                              " json_set(checked_json(settings), '$.digest', ?) WHERE id = ?",
                              &update, err);
    if (status < 0) return status;
    dbt__bind_string(update, 1, digest);
    dbt__bind_int(update, 2, run_id);
    status = dbt__run(update, err);
    dbt__finalize(update);
    return status;
}

dbt_status dbt__run_verify(dbt__sql *sql, int64_t run_id, dbt_error *err)
{
    char digest[DBT__DIGEST_CHARS], stored[DBT__DIGEST_CHARS];
    dbt_status status = hash_run(sql, run_id, digest, stored, err);
    if (status < 0 || stored[0] == '\0' || strcmp(digest, stored) == 0) return status;
    return dbt__fail(err, DBT_EFORMAT,
                     "run %lld: its settings, or the names of its labels, are not those that it "
                     "was trained with; where a label was renamed, name it as it was, or fit anew",
                     (long long)run_id);
}

/* The stored settings are the options, but for the share to hold out where there is a split to
 * validate on, how many documents the run has of each split, what a resume compares, and what the
 * splits were cut from. */
static dbt_status insert_run(dbt__sql *sql, const dbt_fit_options *options, const dbt__run_row *row,
                             const char *settings, int64_t *run_id, dbt_error *err)
{
    dbt__statement *insert = NULL;
    dbt_status status = dbt__prepare(
        sql,
        "INSERT INTO run (name, status, seed, train_split_id, validation_split_id, settings)"
        " VALUES (?1, 'running', ?2, ?3, ?4, json_set("
        " iif(?5 ->> 'validation' IS NULL, ?5, json_remove(?5, '$.validation_split')),"
        " '$.train_documents', ?6, '$.validation_documents', ?7, '$.train_fingerprint', ?8,"
        " '$.validation_fingerprint', ?9, '$.order_version', ?10,"
        " '$.train_origin', json((SELECT checked_json(origin) FROM split WHERE id = ?3)),"
        " '$.validation_origin', json((SELECT checked_json(origin) FROM split WHERE id = ?4)),"
        " '$.vectorizer', json(?11)))",
        &insert, err);
    if (status < 0) return status;
    char train[DBT__DIGEST_CHARS], validation[DBT__DIGEST_CHARS];
    dbt__digest_text(row->train_fingerprint, train);
    dbt__digest_text(row->validation_fingerprint, validation);
    dbt__bind_string(insert, 1, options->name);
    dbt__bind_int(insert, 2, (int64_t)options->seed);
    dbt__bind_int(insert, 3, row->train_split_id);
    dbt__bind_int(insert, 4, row->validation_split_id);
    dbt__bind_string(insert, 5, settings);
    dbt__bind_int(insert, 6, row->n_train);
    dbt__bind_int(insert, 7, row->n_validation);
    dbt__bind_string(insert, 8, train);
    dbt__bind_string(insert, 9, validation);
    dbt__bind_int(insert, 10, DBT_ORDER_VERSION);
    dbt__bind_string(insert, 11, row->vectorizer);
    status = dbt__run(insert, err);
    *run_id = dbt__sql_last_id(sql);
    dbt__finalize(insert);
    return status;
}

dbt_status dbt__run_check_name(dbt__sql *sql, const char *name, dbt_error *err)
{
    if (name == NULL) return DBT_OK;
    if (name[0] == '\0' || strspn(name, "0123456789") == strlen(name))
        return dbt__fail(err, DBT_EUSAGE,
                         "a run's name must not be empty or a number, which would be an id: '%s'",
                         name);
    if (!dbt__is_utf8(name)) return dbt__fail(err, DBT_EUSAGE, "a run's name must be UTF-8");
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        sql, "SELECT id, status IN ('finished', 'diverged') FROM run WHERE name = ?", &select, err);
    if (status < 0) return status;
    dbt__bind_string(select, 1, name);
    status = dbt__step(select, err);
    if (status == DBT_OK)
        status =
            dbt__fail(err, DBT_EUSAGE, "run %lld is called '%s' already: choose another name%s",
                      (long long)dbt__column_int(select, 0), name,
                      dbt__column_int(select, 1) != 0 ? "" : ", or go on with it (--resume)");
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

dbt_status dbt__run_create(dbt__sql *sql, const dbt_fit_options *options, const dbt__run_row *row,
                           const dbt__label_map *labels, int64_t *run_id, dbt_error *err)
{
    char *settings = NULL;
    dbt_status status = dbt__settings_write(sql, dbt__fit_fields, options, &settings, err);
    if (status == DBT_OK) status = dbt__sql_begin(sql, err);
    if (status < 0) goto out;
    status = dbt__run_check_name(sql, options->name, err);
    if (status == DBT_OK) status = insert_run(sql, options, row, settings, run_id, err);
    if (status == DBT_OK) status = dbt__label_map_write(labels, sql, *run_id, err);
    if (status == DBT_OK) status = write_digest(sql, *run_id, err);
    status = dbt__sql_end(sql, status, err);
out:
    dbt__free(settings);
    return status;
}

/* What the vocabulary's row tells is no longer told by the run's. */
static dbt_status update_run(dbt__sql *sql, int64_t run_id, int64_t vectorizer_id,
                             const dbt_network_options *network, const char *environment,
                             dbt_error *err)
{
    dbt__statement *update = NULL;
    dbt_status status = dbt__prepare(
        sql,
        "UPDATE run SET vectorizer_id = ?2, settings = json_patch(json_remove(json_set("
        " checked_json(settings), '$.inputs', ?3, '$.classes', ?4),"
        " '$.vectorizer', '$.train_fingerprint'), ?5)"
        " WHERE id = ?1",
        &update, err);
    if (status < 0) return status;
    dbt__bind_int(update, 1, run_id);
    dbt__bind_int(update, 2, vectorizer_id);
    dbt__bind_int(update, 3, (int64_t)network->n_inputs);
    dbt__bind_int(update, 4, (int64_t)network->n_classes);
    dbt__bind_string(update, 5, environment);
    status = dbt__run(update, err);
    dbt__finalize(update);
    return status;
}

dbt_status dbt__run_complete(dbt__sql *sql, int64_t run_id, int64_t vectorizer_id,
                             const dbt_network_options *network, const char *environment,
                             dbt_error *err)
{
    dbt_status status = dbt__sql_begin(sql, err);
    if (status < 0) return status;
    status = dbt__run_verify(sql, run_id, err);
    if (status == DBT_OK)
        status = update_run(sql, run_id, vectorizer_id, network, environment, err);
    if (status == DBT_OK) status = write_digest(sql, run_id, err);
    return dbt__sql_end(sql, status, err);
}

/* What refers to the row goes with it: the schema's ON DELETE CASCADE. */
dbt_status dbt__run_delete(dbt__sql *sql, int64_t run_id, dbt_error *err)
{
    return dbt__sql_run(sql, "DELETE FROM run WHERE id = ?", &run_id, 1, err);
}

dbt_status dbt__run_set_best_epoch(dbt__sql *sql, int64_t run_id, int64_t epoch, dbt_error *err)
{
    return dbt__sql_run(sql, "UPDATE run SET best_epoch = ? WHERE id = ?",
                        (int64_t[]){epoch, run_id}, 2, err);
}

dbt_status dbt__run_add_epoch(dbt__sql *sql, const dbt_epoch *epoch, dbt_error *err)
{
    dbt__statement *insert = NULL;
    dbt_status status = dbt__prepare(
        sql,
        "REPLACE INTO epoch (run_id, epoch, loss, acc, val_loss, val_acc, learning_rate,"
        " documents, seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &insert, err);
    if (status < 0) return status;
    dbt__bind_int(insert, 1, epoch->run_id);
    dbt__bind_int(insert, 2, epoch->epoch);
    dbt__bind_double(insert, 3, epoch->loss);
    dbt__bind_double(insert, 4, epoch->acc);
    dbt__bind_double(insert, 5, epoch->val_loss);
    dbt__bind_double(insert, 6, epoch->val_acc);
    dbt__bind_double(insert, 7, epoch->learning_rate);
    dbt__bind_int(insert, 8, epoch->documents);
    dbt__bind_double(insert, 9, epoch->seconds);
    status = dbt__run(insert, err);
    dbt__finalize(insert);
    return status;
}

dbt_status dbt__run_set_status(dbt__sql *sql, int64_t run_id, const char *run_status,
                               const char *message, dbt_error *err)
{
    dbt__statement *update = NULL;
    dbt_status status = dbt__prepare(
        sql,
        "UPDATE run SET status = ?, finished_at = datetime('now'),"
        " message = (SELECT iif(difference IS NULL, told, coalesce(told || '; ', '')"
        "  || 'continued on another processor, with other libraries or by another version of"
        " dbtrain: ' || difference)"
        "  FROM (SELECT ? AS told, checked_json(settings) ->> 'continued' AS difference))"
        " WHERE id = ?",
        &update, err);
    if (status < 0) return status;
    dbt__bind_string(update, 1, run_status);
    dbt__bind_string(update, 2, message);
    dbt__bind_int(update, 3, run_id);
    status = dbt__run(update, err);
    dbt__finalize(update);
    return status;
}

static dbt_status reopen_run(dbt__sql *sql, int64_t run_id, int64_t first, dbt_error *err)
{
    static const struct {
        const char *text;
        bool has_first;
    } changes[] = {
        {"DELETE FROM prediction WHERE run_id = ?1", false},
        {"DELETE FROM evaluation WHERE run_id = ?1", false},
        {"DELETE FROM parameter WHERE run_id = ?1 AND kind = 'best'"
         " AND (SELECT best_epoch FROM run WHERE id = ?1) >= ?2",
         true},
        {"DELETE FROM epoch WHERE run_id = ?1 AND epoch >= ?2", true},
        {"UPDATE run SET status = 'running', message = NULL, finished_at = NULL,"
         " best_epoch = iif(best_epoch >= ?2, NULL, best_epoch) WHERE id = ?1",
         true},
    };
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < sizeof changes / sizeof *changes; i++)
        status = dbt__sql_run(sql, changes[i].text, (int64_t[]){run_id, first},
                              changes[i].has_first ? 2 : 1, err);
    return status;
}

dbt_status dbt__run_reopen(dbt__sql *sql, int64_t run_id, int64_t first, dbt_error *err)
{
    dbt_status status = dbt__sql_begin(sql, err);
    if (status < 0) return status;
    status = reopen_run(sql, run_id, first, err);
    return dbt__sql_end(sql, status, err);
}

/* Among the settings, where it outlives the message of an interruption. */
static dbt_status keep_difference(dbt__sql *sql, int64_t run_id, const char *difference,
                                  dbt_error *err)
{
    dbt__statement *update = NULL;
    dbt_status status = dbt__prepare(sql,
                                     "UPDATE run SET settings ="
                                     " json_set(checked_json(settings), '$.continued', ?)"
                                     " WHERE id = ?",
                                     &update, err);
    if (status < 0) return status;
    dbt__bind_string(update, 1, difference);
    dbt__bind_int(update, 2, run_id);
    status = dbt__run(update, err);
    dbt__finalize(update);
    return status;
}

dbt_status dbt__run_continue(dbt__sql *sql, int64_t run_id, int64_t first, const char *difference,
                             dbt_error *err)
{
    dbt_status status = dbt__sql_begin(sql, err);
    if (status < 0) return status;
    status = dbt__run_verify(sql, run_id, err);
    if (status == DBT_OK) status = reopen_run(sql, run_id, first, err);
    if (status == DBT_OK) status = keep_difference(sql, run_id, difference, err);
    if (status == DBT_OK) status = write_digest(sql, run_id, err);
    return dbt__sql_end(sql, status, err);
}

dbt_status dbt__run_ask(dbt__sql *sql, int64_t run_id, const char *query, dbt__statement **select,
                        dbt_error *err)
{
    dbt_status status = dbt__prepare(sql, query, select, err);
    if (status < 0) return status;
    dbt__bind_int(*select, 1, run_id);
    status = dbt__step(*select, err);
    if (status == DBT_DONE) status = dbt__fail(err, DBT_EUSAGE, "no run %lld", (long long)run_id);
    return status;
}

/* "no run 'x' (has: 2 'long', 1)": the 20 newest. */
static dbt_status refuse_run(dbt__sql *sql, const char *reference, dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt_error ignored = {0};
    if (dbt__prepare(sql,
                     "SELECT group_concat(id || coalesce(' ''' || name || '''', ''), ', ')"
                     " || iif((SELECT count(id) FROM run) > 20, ', ...', '') FROM"
                     " (SELECT id, name FROM run ORDER BY id DESC LIMIT 20)",
                     &select, &ignored) < 0 ||
        dbt__step(select, &ignored) < 0) {
        dbt__finalize(select);
        return dbt__fail(err, ignored.status, "%s", ignored.message);
    }
    dbt_text list = dbt__column_text(select, 0);
    dbt_status status;
    if (list.data == NULL)
        status = dbt__fail(err, DBT_EUSAGE, "there is no run yet: dbtrain fit makes one");
    else if (reference == NULL)
        status = dbt__fail(err, DBT_EUSAGE, "no run has weights yet (runs: %.*s)", (int)list.bytes,
                           list.data);
    else
        status = dbt__fail(err, DBT_EUSAGE, "no run '%s' (has: %.*s)", reference, (int)list.bytes,
                           list.data);
    dbt__finalize(select);
    return status;
}

dbt_status dbt__run_find(dbt__sql *sql, const char *reference, int64_t *run_id, dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        sql,
        reference == NULL ? "SELECT max(run_id) FROM parameter"
                          : "SELECT id FROM run WHERE name = ?1 OR CAST(id AS TEXT) = ?1",
        &select, err);
    if (status < 0) return status;
    if (reference != NULL) dbt__bind_string(select, 1, reference);
    status = dbt__step(select, err);
    if (status == DBT_OK && dbt__column_is_null(select, 0)) status = DBT_DONE;
    if (status == DBT_OK) *run_id = dbt__column_int(select, 0);
    dbt__finalize(select);
    return status == DBT_DONE ? refuse_run(sql, reference, err) : status;
}

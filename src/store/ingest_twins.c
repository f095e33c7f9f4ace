/*
 * ingest_twins.c: sources by their content.
 *
 * They are copied into temporary tables, when the first one is looked for: `source` has no index by
 * content, and a folder may have thousands of files.
 *
 * Files that are a document each are in a table of their own. Of these it is usual to be equal, so
 * it is not told of each, but of a folder when most of its files were there before it was begun:
 * what a path has brought is added when the next path is begun.
 */
#include <string.h>

#include "ingest_internal.h"

struct dbt__twins {
    dbt__sql *sql;
    dbt__statement *find, *add;
};

static dbt_status prepare(dbt__twins *twins, dbt_error *err)
{
    dbt_status status = dbt__sql_exec(
        twins->sql,
        "DROP TABLE IF EXISTS temp.twin;"
        "CREATE TABLE temp.twin (digest TEXT, bytes INTEGER, split TEXT, name TEXT,"
        " PRIMARY KEY (digest, bytes, split)) WITHOUT ROWID;"
        "INSERT OR IGNORE INTO temp.twin SELECT digest, bytes, split, name FROM source"
        " WHERE status = 'loaded' AND format <> 'folder' AND digest IS NOT NULL"
        " AND bytes IS NOT NULL AND split IS NOT NULL ORDER BY id",
        err);
    if (status == DBT_OK)
        status = dbt__prepare(
            twins->sql,
            "SELECT name, split, split = ?3 FROM temp.twin WHERE digest = ?1 AND bytes = ?2"
            " ORDER BY split <> ?3 LIMIT 1",
            &twins->find, err);
    if (status == DBT_OK)
        status = dbt__prepare(twins->sql, "INSERT INTO temp.twin VALUES (?1, ?2, ?3, ?4)",
                              &twins->add, err);
    return status;
}

dbt_status dbt__twins_new(dbt__sql *sql, dbt__twins **twins, dbt_error *err)
{
    *twins = NULL;
    dbt__twins *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "sources");
    made->sql = sql;
    dbt_status status = prepare(made, err);
    if (status < 0)
        dbt__twins_free(made);
    else
        *twins = made;
    return status;
}

void dbt__twins_free(dbt__twins *twins)
{
    if (twins == NULL) return;
    dbt__finalize(twins->find);
    dbt__finalize(twins->add);
    /* Where that fails the table goes with the connection. */
    (void)!dbt__sql_exec(twins->sql, "DROP TABLE IF EXISTS temp.twin", NULL);
    dbt__free(twins);
}

static void bind_content(dbt__statement *statement, const char *digest, int64_t bytes,
                         const char *split)
{
    dbt__bind_string(statement, 1, digest);
    dbt__bind_int(statement, 2, bytes);
    dbt__bind_string(statement, 3, split);
}

static dbt_status copy_text(dbt__statement *row, int column, dbt__buffer *to, dbt_error *err)
{
    dbt_text text = dbt__column_text(row, column);
    to->length = 0;
    if (text.data == NULL) return dbt__out_of_memory(err, "a name");
    dbt_status status = dbt__buffer_append(to, text.data, text.bytes, err);
    return status < 0 ? status : dbt__buffer_append(to, "", 1, err);
}

dbt_status dbt__twins_find(dbt__twins *twins, const char *digest, int64_t bytes, const char *split,
                           const char *name, dbt__twin *twin, dbt_error *err)
{
    twin->found = twin->same_split = false;
    bind_content(twins->find, digest, bytes, split);
    dbt_status status = dbt__step(twins->find, err);
    if (status == DBT_OK) {
        twin->found = true;
        twin->same_split = dbt__column_int(twins->find, 2) != 0;
        status = copy_text(twins->find, 0, &twin->name, err);
        if (status == DBT_OK) status = copy_text(twins->find, 1, &twin->split, err);
    }
    dbt__reset(twins->find);
    if (twin->same_split || status < 0) return status;
    bind_content(twins->add, digest, bytes, split);
    dbt__bind_string(twins->add, 4, name);
    return dbt__run(twins->add, err);
}

/* --- files of folders --- */

struct dbt__file_twins {
    dbt__sql *sql;
    dbt__statement *find;
    int64_t last_source_id; /* those up to it are in the table */
    bool has_files;
};

static dbt_status prepare_files(dbt__file_twins *twins, dbt_error *err)
{
    dbt_status status =
        dbt__sql_exec(twins->sql,
                      "DROP TABLE IF EXISTS temp.file_twin;"
                      "CREATE TABLE temp.file_twin (digest TEXT, bytes INTEGER, name TEXT,"
                      " PRIMARY KEY (digest, bytes)) WITHOUT ROWID",
                      err);
    if (status < 0) return status;
    return dbt__prepare(twins->sql,
                        "SELECT name FROM temp.file_twin WHERE digest = ?1 AND bytes = ?2",
                        &twins->find, err);
}

dbt_status dbt__file_twins_new(dbt__sql *sql, dbt__file_twins **twins, dbt_error *err)
{
    *twins = NULL;
    dbt__file_twins *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "sources");
    made->sql = sql;
    dbt_status status = prepare_files(made, err);
    if (status < 0)
        dbt__file_twins_free(made);
    else
        *twins = made;
    return status;
}

void dbt__file_twins_free(dbt__file_twins *twins)
{
    if (twins == NULL) return;
    dbt__finalize(twins->find);
    /* Where that fails the table goes with the connection. */
    (void)!dbt__sql_exec(twins->sql, "DROP TABLE IF EXISTS temp.file_twin", NULL);
    dbt__free(twins);
}

dbt_status dbt__file_twins_update(dbt__file_twins *twins, dbt_error *err)
{
    int64_t last, has_files;
    dbt_status status = dbt__sql_int(
        twins->sql, "SELECT max(id) FROM source WHERE status = 'loaded'", 0, &last, err);
    if (status == DBT_OK)
        status = dbt__sql_run(twins->sql,
                              "INSERT OR IGNORE INTO temp.file_twin SELECT digest, bytes, name"
                              " FROM source WHERE id > ?1 AND id <= ?2 AND status = 'loaded'"
                              " AND format = 'folder' AND digest IS NOT NULL AND bytes IS NOT NULL"
                              " ORDER BY id",
                              (int64_t[]){twins->last_source_id, last}, 2, err);
    if (status == DBT_OK)
        status = dbt__sql_int(twins->sql, "SELECT EXISTS (SELECT 1 FROM temp.file_twin)", 0,
                              &has_files, err);
    if (status < 0) return status;
    twins->last_source_id = last;
    twins->has_files = has_files != 0;
    return DBT_OK;
}

dbt_status dbt__file_twins_find(dbt__file_twins *twins, const char *digest, int64_t bytes,
                                const char *name, bool *found, bool *same_name, dbt_error *err)
{
    *found = *same_name = false;
    if (!twins->has_files) return DBT_OK;
    dbt__bind_string(twins->find, 1, digest);
    dbt__bind_int(twins->find, 2, bytes);
    dbt_status status = dbt__step(twins->find, err);
    if (status == DBT_OK) {
        dbt_text text = dbt__column_text(twins->find, 0);
        *found = true;
        *same_name = text.bytes == strlen(name) && memcmp(text.data, name, text.bytes) == 0;
    }
    dbt__reset(twins->find);
    return status < 0 ? status : DBT_OK;
}

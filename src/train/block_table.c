/* block_table.c: a row of row_cache says what its blocks are of and whether they are all there; the
 * digest of a block is verified before it is used, since SQLite does not notice a flipped bit. */
#include "block_table.h"

#include <string.h>

#include "store_internal.h"
#include "weights.h"

/* Of the encoding of blocks (row_cache.c) and packed rows: a cache of another is stale. */
#define ENCODING_VERSION 2
/* After so much a transaction is committed. */
#define TRANSACTION_BYTES ((size_t)1 << 20)

typedef struct block_table {
    dbt_store *store;
    const char *split;
    int64_t id;    /* of the row_cache */
    bool filled;   /* it is complete */
    size_t bytes;  /* of the transaction under way */
    dbt__sql *sql; /* the store's, for writing */
    dbt__statement *insert;
    dbt__sql *reader;
    dbt__statement *select;
} block_table;

/* --- the row of a cache --- */

/* A statement that has the key's columns as ?1 to ?4; `fingerprint` is bound, not copied. */
static dbt_status prepare_with_key(dbt__sql *sql, const char *text, const dbt__block_key *key,
                                   char fingerprint[DBT__DIGEST_CHARS], dbt__statement **statement,
                                   dbt_error *err)
{
    dbt_status status = dbt__prepare(sql, text, statement, err);
    if (status < 0) return status;
    dbt__digest_text(dbt__hash(&key->fingerprint, sizeof key->fingerprint, ENCODING_VERSION),
                     fingerprint);
    dbt__bind_int(*statement, 1, key->vectorizer_id);
    dbt__bind_int(*statement, 2, key->split_id);
    dbt__bind_string(*statement, 3, fingerprint);
    dbt__bind_int(*statement, 4, key->documents);
    return DBT_OK;
}

/* *id is 0 when there is none that is valid. */
static dbt_status find_cache(dbt__sql *sql, const dbt__block_key *key, int64_t *id, dbt_error *err)
{
    char fingerprint[DBT__DIGEST_CHARS];
    dbt__statement *select = NULL;
    *id = 0;
    dbt_status status =
        prepare_with_key(sql,
                         "SELECT id FROM row_cache WHERE vectorizer_id = ?1 AND split_id = ?2"
                         " AND fingerprint = ?3 AND documents = ?4 AND status = 'filled'",
                         key, fingerprint, &select, err);
    if (status < 0) return status;
    status = dbt__step(select, err);
    if (status == DBT_OK) *id = dbt__column_int(select, 0);
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

static dbt_status run_with_key(dbt__sql *sql, const char *text, const dbt__block_key *key,
                               dbt_error *err)
{
    char fingerprint[DBT__DIGEST_CHARS];
    dbt__statement *statement = NULL;
    dbt_status status = prepare_with_key(sql, text, key, fingerprint, &statement, err);
    if (status == DBT_OK) status = dbt__run(statement, err);
    dbt__finalize(statement);
    return status;
}

/* Caches of what the split no longer holds go, whatever their vectorizer; so does what is not
 * filled: since one process writes at a time, the one that was filling it is dead. */
static dbt_status create_cache(dbt__sql *sql, const dbt__block_key *key, int64_t *id,
                               dbt_error *err)
{
    dbt_status status = dbt__sql_begin(sql, err);
    if (status < 0) return status;
    status = run_with_key(sql,
                          "DELETE FROM row_cache WHERE status = 'filling' OR (split_id = ?2"
                          " AND (vectorizer_id = ?1 OR fingerprint <> ?3 OR documents <> ?4))",
                          key, err);
    if (status == DBT_OK)
        status = run_with_key(sql,
                              "INSERT INTO row_cache (vectorizer_id, split_id, fingerprint,"
                              " documents, status) VALUES (?1, ?2, ?3, ?4, 'filling')",
                              key, err);
    *id = dbt__sql_last_id(sql);
    return dbt__sql_end(sql, status, err);
}

/* --- blocks --- */

static dbt_status open_reader(block_table *table, dbt_error *err)
{
    dbt_status status = dbt__store_reader(table->store, &table->reader, err);
    if (status < 0) return status;
    status = dbt__prepare(
        table->reader, "SELECT value, digest FROM row_block WHERE row_cache_id = ? AND block = ?",
        &table->select, err);
    if (status == DBT_OK) dbt__allow_bytes(table->select, DBT__LONGEST_ROWS);
    return status;
}

static dbt_status write_table(void *context, size_t block, const unsigned char *data, size_t bytes,
                              dbt_error *err)
{
    block_table *table = context;
    char digest[DBT__DIGEST_CHARS];
    dbt_status status = table->bytes == 0 ? dbt__sql_begin(table->sql, err) : DBT_OK;
    if (status < 0) return status;
    dbt__digest_text(dbt__hash(data, bytes, 0), digest);
    dbt__bind_int(table->insert, 1, table->id);
    dbt__bind_int(table->insert, 2, (int64_t)block);
    dbt__bind_blob(table->insert, 3, data, bytes);
    dbt__bind_string(table->insert, 4, digest);
    status = dbt__run(table->insert, err);
    table->bytes += bytes;
    if (status < 0 || table->bytes < TRANSACTION_BYTES) return status;
    table->bytes = 0;
    return dbt__sql_commit(table->sql, err);
}

static dbt_status finish_table(void *context, dbt_error *err)
{
    block_table *table = context;
    dbt_status status = table->bytes == 0 ? dbt__sql_begin(table->sql, err) : DBT_OK;
    if (status < 0) return status;
    table->bytes = 0;
    status = dbt__sql_run(table->sql, "UPDATE row_cache SET status = 'filled' WHERE id = ?",
                          &table->id, 1, err);
    if (status == DBT_OK) status = dbt__sql_commit(table->sql, err);
    table->filled = status == DBT_OK;
    return status < 0 ? status : open_reader(table, err);
}

/* The block of the row that `select` is at, copied. */
static dbt_status take_block(block_table *table, unsigned char **data, size_t *bytes,
                             dbt_error *err)
{
    char digest[DBT__DIGEST_CHARS];
    const void *value = dbt__column_blob(table->select, 0, bytes);
    dbt_text stored = dbt__column_text(table->select, 1);
    dbt__digest_text(dbt__hash(value, *bytes, 0), digest);
    if (stored.bytes != sizeof digest - 1 || memcmp(stored.data, digest, stored.bytes) != 0)
        return dbt__fail(err, DBT_EFORMAT, "damaged: its digest does not match");
    *data = dbt__grow_array(NULL, *bytes, 1);
    if (*data == NULL) return dbt__out_of_memory(err, "vectorized rows");
    if (*bytes > 0) memcpy(*data, value, *bytes);
    return DBT_OK;
}

static dbt_status read_table(void *context, size_t block, unsigned char **data, size_t *bytes,
                             dbt_error *err)
{
    block_table *table = context;
    dbt_error cause = {0};
    *data = NULL;
    dbt__bind_int(table->select, 1, table->id);
    dbt__bind_int(table->select, 2, (int64_t)block);
    dbt_status status = dbt__step(table->select, &cause);
    if (status == DBT_DONE) status = dbt__fail(&cause, DBT_EFORMAT, "it is missing");
    if (status == DBT_OK) status = take_block(table, data, bytes, &cause);
    dbt__reset(table->select);
    if (status == DBT_EFORMAT)
        return dbt__fail(err, status,
                         "block %zu of the cached rows of split '%s': %s ('dbtrain rm %s --cache' "
                         "drops them)",
                         block, table->split, cause.message, dbt_store_path(table->store));
    return status < 0 ? dbt__fail(err, status, "%s", cause.message) : DBT_OK;
}

static void free_table(void *context)
{
    block_table *table = context;
    dbt__finalize(table->insert);
    dbt__finalize(table->select);
    dbt__sql_close(table->reader);
    if (table->id != 0 && !table->filled) {
        dbt_error ignored = {0};
        dbt__sql_rollback(table->sql);
        /* What cannot be deleted now goes when the next cache is made. */
        if (dbt__sql_begin(table->sql, &ignored) == DBT_OK)
            (void)!dbt__sql_end(table->sql,
                                dbt__sql_run(table->sql, "DELETE FROM row_cache WHERE id = ?",
                                             &table->id, 1, &ignored),
                                &ignored);
    }
    dbt__free(table);
}

dbt_status dbt__block_table(dbt_store *store, const dbt__block_key *key, dbt__block_place *place,
                            bool *found, dbt_error *err)
{
    *place = (dbt__block_place){0};
    *found = false;
    block_table *table = dbt__alloc(sizeof *table);
    if (table == NULL) return dbt__out_of_memory(err, "vectorized rows");
    table->store = store;
    table->split = key->split;
    table->sql = dbt__store_sql(store);
    dbt_status status = find_cache(table->sql, key, &table->id, err);
    table->filled = *found = table->id != 0;
    if (status == DBT_OK && !*found) status = create_cache(table->sql, key, &table->id, err);
    if (status == DBT_OK && !*found)
        status = dbt__prepare(table->sql,
                              "INSERT INTO row_block (row_cache_id, block, value, digest)"
                              " VALUES (?, ?, ?, ?)",
                              &table->insert, err);
    if (status == DBT_OK && *found) status = open_reader(table, err);
    if (status < 0) {
        free_table(table);
        return status;
    }
    *place = (dbt__block_place){table, write_table, finish_table, read_table, free_table};
    return DBT_OK;
}

dbt_status dbt__block_table_bytes(dbt__sql *sql, int64_t *bytes, dbt_error *err)
{
    return dbt__sql_int(sql, "SELECT sum(length(value)) FROM row_block", 0, bytes, err);
}

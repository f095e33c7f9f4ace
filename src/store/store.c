/*
 * store.c: opening, checking, making and closing the file.
 *
 * Two numbers in the header of an SQLite file say what it is: application_id that it is dbtrain's,
 * and user_version which migrations it has seen. They are read before anything else, and a file
 * that is somebody else's, or newer than this program, is left exactly as it was found. Then the
 * schema is compared with that of a new file, which is made in memory: a file's content is data,
 * and no SQL of its own runs.
 *
 * A migration and the new version number are one transaction, so a file that was killed half way is
 * of the old version or the new one. Another process may be migrating the same file: the version is
 * read again inside the transaction. The views are made anew with the last migration.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"
#include "dbt_schema.h"
#include "lock.h"
#include "sql.h"
#include "store_internal.h"

#define APPLICATION_ID 0x64627472 /* "dbtr" */
#define LATEST_VERSION ((int64_t)(sizeof dbt__migrations / sizeof dbt__migrations[0]))
/* Of a new file. The largest pages there are: a call of the system costs as much as to copy some
 * tens of kilobytes, and texts are read and written in bulk. Beside pages of 16 KiB an ingest takes
 * 0.75 of the time, a scan 0.88, a split of scattered rows 0.57; the smallest file has 2.2
 * MB instead of 0.5. The memory for pages is SQLite's default, said again because SQLite has
 * reckoned it in pages of the size it begins with. */
#define LAYOUT "PRAGMA page_size = 65536; PRAGMA cache_size = -2000;"

struct dbt_store {
    dbt__sql *sql;
    char *path;
    bool writable;
    bool is_made;    /* by this store: there was no file, and what was made was blank */
    int64_t version; /* of the content, after that: another one after another program's commit */
    dbt__lock *lock; /* of a writer */
};

/* What a file says of itself. */
typedef struct file_facts {
    int64_t application_id;
    int64_t version;
    bool has_schema;
    bool is_utf8;
} file_facts;

static dbt_status read_facts(dbt__sql *sql, file_facts *facts, dbt_error *err)
{
    dbt__statement *statement;
    dbt_status status = dbt__prepare(sql,
                                     "SELECT (SELECT application_id FROM pragma_application_id),"
                                     " (SELECT user_version FROM pragma_user_version),"
                                     " EXISTS (SELECT 1 FROM sqlite_schema),"
                                     " (SELECT encoding FROM pragma_encoding) = 'UTF-8'",
                                     &statement, err);
    if (status < 0) return status;
    status = dbt__step(statement, err);
    if (status == DBT_OK) {
        facts->application_id = dbt__column_int(statement, 0);
        facts->version = dbt__column_int(statement, 1);
        facts->has_schema = dbt__column_int(statement, 2) != 0;
        facts->is_utf8 = dbt__column_int(statement, 3) != 0;
    }
    dbt__finalize(statement);
    return status;
}

/* An SQLite file in which nobody has put anything: what CREATE may fill. */
static bool is_blank(const file_facts *facts)
{
    return facts->application_id == 0 && facts->version == 0 && !facts->has_schema;
}

static dbt_status check_facts(const char *path, dbt_store_mode mode, const file_facts *facts,
                              dbt_error *err)
{
    if (is_blank(facts)) {
        if (mode == DBT_STORE_CREATE) return DBT_OK;
        return dbt__fail(err, DBT_EFORMAT, "'%s' is empty, not a dbtrain file", path);
    }
    if (facts->application_id != APPLICATION_ID)
        return dbt__fail(err, DBT_EFORMAT,
                         "'%s' is an SQLite database, but not a dbtrain file (application_id %lld)",
                         path, (long long)facts->application_id);
    if (facts->version > LATEST_VERSION)
        return dbt__fail(
            err, DBT_EFORMAT,
            "'%s' was made by a newer dbtrain: it has schema version %lld, this program "
            "knows up to %lld",
            path, (long long)facts->version, (long long)LATEST_VERSION);
    if (facts->version < 1 || !facts->is_utf8)
        return dbt__fail(err, DBT_EFORMAT,
                         "'%s' is not as dbtrain makes a file: schema version %lld%s", path,
                         (long long)facts->version, facts->is_utf8 ? "" : ", not in UTF-8");
    if (facts->version < LATEST_VERSION && mode == DBT_STORE_READ)
        return dbt__fail(
            err, DBT_EFORMAT,
            "'%s' has schema version %lld, of an older dbtrain: a command that writes brings it to "
            "version %lld; 'dbtrain rm %s --cache' does that and deletes no document and no run",
            path, (long long)facts->version, (long long)LATEST_VERSION, path);
    return DBT_OK;
}

/* The schema of a new file of a version, as a JSON array of [type, name, table, sql]. */
static dbt_status make_schema(int64_t version, char **json, dbt_error *err)
{
    *json = NULL;
    dbt__sql *sql = NULL;
    dbt__statement *select = NULL;
    dbt_status status = dbt__sql_open_memory(&sql, err);
    for (int64_t i = 0; status == DBT_OK && i < version; i++)
        status = dbt__sql_exec(sql, dbt__migrations[i], err);
    /* Views of an older version are made anew by the last migration, whatever they are. */
    if (status == DBT_OK && version == LATEST_VERSION)
        status = dbt__sql_exec(sql, dbt__schema_views, err);
    if (status == DBT_OK)
        status = dbt__prepare(
            sql,
            "SELECT json_group_array(json_array(type, name, tbl_name, sql)) FROM sqlite_schema",
            &select, err);
    if (status == DBT_OK) status = dbt__step(select, err);
    if (status == DBT_OK) status = dbt__column_copy(select, 0, json, err);
    dbt__finalize(select);
    dbt__sql_close(sql);
    return status;
}

/*
 * The first thing in a file's schema that is not as it must be. Each object that dbtrain makes is
 * there, letter by letter as in a new file, so that no view, virtual table, generated column, CHECK
 * or collation passes under its name; and nothing hangs on it but plain indexes, which change no
 * result. What users made beside that is theirs. The schema is read, nothing of it is run.
 */
static const char find_stranger[] =
    "WITH made AS MATERIALIZED"
    " (SELECT value ->> 0 AS type, value ->> 1 AS name, value ->> 2 AS tbl_name, value ->> 3 AS sql"
    "  FROM json_each(?))"
    "SELECT format('%s ''%s'' is %s', made.type, made.name,"
    "              iif(found.name IS NULL, 'missing', 'not as dbtrain makes it'))"
    " FROM made LEFT JOIN sqlite_schema AS found ON found.name = made.name COLLATE NOCASE"
    " WHERE (found.type, found.name, found.tbl_name, found.sql)"
    "       IS NOT (made.type, made.name, made.tbl_name, made.sql) "
    "UNION ALL "
    "SELECT format('%s ''%s'' is not as dbtrain makes it: it has the %s ''%s''',"
    "              made.type, made.name, found.type, found.name)"
    " FROM sqlite_schema AS found JOIN made ON made.name = found.tbl_name COLLATE NOCASE"
    " WHERE made.type IN ('table', 'view') AND found.name NOT IN (SELECT name FROM made)"
    "  AND (found.type = 'trigger' OR found.type = 'index' AND"
    "       (EXISTS (SELECT 1 FROM pragma_index_list(found.tbl_name) AS list"
    "                WHERE list.name = found.name AND (list.\"unique\" OR list.partial))"
    "        OR EXISTS (SELECT 1 FROM pragma_index_xinfo(found.name) AS part"
    "                   WHERE part.key AND (part.cid = -2 OR part.coll <> 'BINARY')))) "
    "LIMIT 1";

static dbt_status check_schema(dbt_store *store, int64_t version, dbt_error *err)
{
    char *made = NULL;
    dbt__statement *select = NULL;
    dbt_status status = make_schema(version, &made, err);
    if (status == DBT_OK) status = dbt__prepare(store->sql, find_stranger, &select, err);
    if (status < 0) goto out;
    dbt__bind_string(select, 1, made);
    status = dbt__step(select, err);
    if (status == DBT_OK) {
        dbt_text stranger = dbt__column_text(select, 0);
        status = dbt__fail(err, DBT_EFORMAT, "'%s': %.*s", store->path,
                           (int)(stranger.bytes < 256 ? stranger.bytes : 256), stranger.data);
    }
out:
    dbt__finalize(select);
    dbt__free(made);
    return status < 0 ? status : DBT_OK;
}

static dbt_status make_version(dbt__sql *sql, int64_t version, dbt_error *err)
{
    char script[96];
    dbt_status status = dbt__sql_exec(sql, dbt__migrations[version - 1], err);
    if (status == DBT_OK && version == LATEST_VERSION)
        status = dbt__sql_exec(sql, dbt__schema_views, err);
    if (status < 0) return status;
    (void)snprintf(script, sizeof script, "PRAGMA application_id = %d; PRAGMA user_version = %lld",
                   APPLICATION_ID, (long long)version);
    return dbt__sql_exec(sql, script, err);
}

/* Runs the migration to `version` inside of the caller's transaction. What the file must have was
 * checked, so it can only be stopped by what users have made under a name that it needs. */
static dbt_status run_migration(dbt__sql *sql, int64_t version, dbt_error *err)
{
    dbt_error cause = {0};
    dbt_status status = make_version(sql, version, &cause);
    if (status == DBT_EINTERNAL && version > 1)
        return dbt__fail(err, DBT_EFORMAT,
                         "schema version %lld needs a name that something of your own has: %s",
                         (long long)version, cause.message);
    return status < 0 ? dbt__fail(err, status, "%s", cause.message) : DBT_OK;
}

/* One migration; *version is the file's afterwards, whoever migrated it. */
static dbt_status migrate_once(dbt__sql *sql, const char *path, int64_t *version, dbt_error *err)
{
    file_facts facts;
    dbt_status status = dbt__sql_begin(sql, err);
    if (status < 0) return status;
    status = read_facts(sql, &facts, err);
    if (status == DBT_OK) status = check_facts(path, DBT_STORE_CREATE, &facts, err);
    if (status == DBT_OK && facts.version < LATEST_VERSION) {
        facts.version++;
        status = run_migration(sql, facts.version, err);
    }
    status = dbt__sql_end(sql, status, err);
    if (status == DBT_OK) *version = facts.version;
    return status;
}

static dbt_status check_file(dbt_store *store, dbt_store_mode mode, dbt_error *err)
{
    file_facts facts;
    dbt_status status = read_facts(store->sql, &facts, err);
    if (status == DBT_OK) status = check_facts(store->path, mode, &facts, err);
    if (status != DBT_OK) return status;
    bool blank = is_blank(&facts);
    store->is_made &= blank;
    if (!blank) status = check_schema(store, facts.version, err);
    /* The mode stays with the file. It cannot be changed inside a transaction. */
    if (status == DBT_OK && blank)
        status = dbt__sql_exec(store->sql, LAYOUT "PRAGMA journal_mode = WAL", err);
    /* One that was copied (VACUUM INTO) may have lost it. */
    else if (status == DBT_OK && mode != DBT_STORE_READ)
        status = dbt__sql_exec(store->sql, "PRAGMA journal_mode = WAL", err);
    while (status == DBT_OK && facts.version < LATEST_VERSION)
        status = migrate_once(store->sql, store->path, &facts.version, err);
    return status;
}

dbt_status dbt_store_open(const char *path, dbt_store_mode mode, dbt_store **store, dbt_error *err)
{
    static const dbt__sql_mode modes[] = {[DBT_STORE_READ] = DBT__SQL_READ,
                                          [DBT_STORE_WRITE] = DBT__SQL_WRITE,
                                          [DBT_STORE_CREATE] = DBT__SQL_CREATE};
    *store = NULL;
    dbt_store *made = dbt__alloc(sizeof *made);
    if (made != NULL) made->path = dbt__strdup(path);
    dbt_status status;
    struct stat facts;
    if (made == NULL || made->path == NULL) {
        status = dbt__out_of_memory(err, "a store");
    } else {
        made->is_made = lstat(path, &facts) != 0 && errno == ENOENT;
        status = dbt__sql_open(path, modes[mode], &made->sql, err);
    }
    if (status == DBT_OK && mode != DBT_STORE_READ) status = dbt__lock_take(path, &made->lock, err);
    if (status == DBT_OK) status = check_file(made, mode, err);
    if (status < 0) {
        /* Not as a writer: what was refused is not touched. */
        (void)dbt_store_close(made, NULL);
        return status;
    }
    if (made->is_made &&
        dbt__sql_int(made->sql, "PRAGMA data_version", 0, &made->version, NULL) < 0)
        made->is_made = false;
    dbt__sql_know_schema(made->sql, NULL);
    made->writable = mode != DBT_STORE_READ;
    /* Elsewhere the time of a file's last change is not kept that well. */
    if (made->writable && dbt__shared_system(path) == NULL) dbt__sql_watch_file(made->sql);
    *store = made;
    return DBT_OK;
}

/* Moves the log into the file. */
static dbt_status settle_log(dbt_store *store, dbt_error *err)
{
    dbt_error inner = {0};
    dbt__sql_rollback(store->sql);
    dbt_status status = dbt__sql_checkpoint(store->sql, &inner);
    /* Where a lock was in the way of more than this, that was told. */
    if (status == DBT_ELOCKED && dbt__sql_waited_in_vain(store->sql)) return DBT_OK;
    if (status == DBT_EFORMAT)
        (void)dbt__fail(err, status, "%s", inner.message);
    else if (status < 0)
        (void)dbt__fail(err, status, "the log stays beside the file, nothing is lost: %s",
                        inner.message);
    return status;
}

static void free_store(dbt_store *store)
{
    dbt__sql_close(store->sql);
    dbt__lock_release(store->lock);
    dbt__free(store->path);
    dbt__free(store);
}

dbt_status dbt_store_close(dbt_store *store, dbt_error *err)
{
    if (store == NULL) return DBT_OK;
    dbt_status status = store->writable ? settle_log(store, err) : DBT_OK;
    free_store(store);
    return status;
}

/* This store has made the file, no source has come into it, and nobody else has written into it, or
 * put another one in its place. */
static bool is_for_nothing(dbt_store *store)
{
    int64_t sources = 1, version = 0;
    if (!store->is_made || dbt__sql_begin(store->sql, NULL) < 0) return false;
    bool known =
        dbt__sql_int(store->sql, "SELECT count(*) FROM source", 1, &sources, NULL) == DBT_OK &&
        dbt__sql_int(store->sql, "PRAGMA data_version", 0, &version, NULL) == DBT_OK;
    dbt__sql_rollback(store->sql);
    return known && sources == 0 && version == store->version;
}

dbt_status dbt_store_abandon(dbt_store *store, dbt_error *err)
{
    if (store == NULL || !is_for_nothing(store)) return dbt_store_close(store, err);
    dbt_status status = settle_log(store, err);
    const char *log = dbt__sql_log_path(store->sql);
    char *log_path = log == NULL ? NULL : dbt__strdup(log);
    dbt__sql_close(store->sql);
    store->sql = NULL;
    /* Whoever closes a file last removes its log: another program has it open. */
    if (status == DBT_OK && log_path != NULL && access(log_path, F_OK) != 0 && errno == ENOENT)
        (void)unlink(store->path);
    dbt__free(log_path);
    free_store(store);
    return status;
}

const char *dbt_store_path(const dbt_store *store)
{
    return store->path;
}

bool dbt__store_has_writer(const dbt_store *store)
{
    return dbt__lock_is_held(store->path);
}

bool dbt_store_writable(const dbt_store *store)
{
    return store->writable;
}

dbt__sql *dbt__store_sql(dbt_store *store)
{
    return store->sql;
}

dbt_status dbt__store_reader(dbt_store *store, dbt__sql **sql, dbt_error *err)
{
    dbt_status status = dbt__sql_open(store->path, DBT__SQL_READ, sql, err);
    if (status == DBT_OK) dbt__sql_know_schema(*sql, store->sql);
    return status;
}

static dbt_status fail_no_split(dbt_store *store, const char *name, dbt_error *err)
{
    dbt__statement *statement;
    dbt_status status = dbt__prepare(
        store->sql, "SELECT group_concat(name, ', ') FROM (SELECT name FROM split ORDER BY id)",
        &statement, err);
    if (status < 0) return status;
    dbt__allow_bytes(statement, DBT__LONGEST_ROWS); /* of all names together */
    status = dbt__step(statement, err);
    if (status == DBT_OK) {
        dbt_text names = dbt__column_text(statement, 0);
        if (names.bytes == 0)
            status = dbt__fail(err, DBT_EUSAGE, "no split '%s' in '%s' (it has none)", name,
                               store->path);
        else
            status =
                dbt__fail(err, DBT_EUSAGE, "no split '%s' in '%s' (has: %.*s)", name, store->path,
                          (int)(names.bytes < 512 ? names.bytes : 512), names.data);
    }
    dbt__finalize(statement);
    return status;
}

dbt_status dbt_store_find_split(dbt_store *store, const char *name, dbt_split *split,
                                dbt_error *err)
{
    dbt__statement *statement;
    dbt_status status =
        dbt__prepare(store->sql, "SELECT id, documents FROM split WHERE name = ?", &statement, err);
    if (status < 0) return status;
    dbt__bind_string(statement, 1, name);
    status = dbt__step(statement, err);
    if (status == DBT_OK)
        *split = (dbt_split){dbt__column_int(statement, 0), dbt__column_int(statement, 1)};
    dbt__finalize(statement);
    return status == DBT_DONE ? fail_no_split(store, name, err) : status;
}

dbt_status dbt__split_shared(dbt__sql *sql, int64_t a, int64_t b, int64_t *documents,
                             dbt_error *err)
{
    dbt__statement *select = NULL;
    *documents = 0;
    dbt_status status =
        dbt__prepare(sql,
                     "SELECT count(*) FROM split_document AS one JOIN split_document AS other"
                     " ON other.document_id = one.document_id AND other.split_id = ?2"
                     " WHERE one.split_id = ?1",
                     &select, err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, a);
    dbt__bind_int(select, 2, b);
    status = dbt__step(select, err);
    if (status == DBT_OK) *documents = dbt__column_int(select, 0);
    dbt__finalize(select);
    return status;
}

dbt_status dbt__split_lacks(const char *split, int64_t position, dbt_error *err)
{
    return dbt__fail(
        err, DBT_EFORMAT,
        "split '%s' lacks the document at position %lld: it was deleted; close the gap "
        "as schema/README.md shows, or ingest into a new file",
        split, (long long)position);
}

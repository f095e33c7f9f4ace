/*
 * corpus_store.h: databases for the tests of training: a folder of the test's own, documents put in
 * by SQL, questions asked of the tables.
 */
#ifndef DBT_TEST_CORPUS_STORE_H
#define DBT_TEST_CORPUS_STORE_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dbtrain/store.h>

#include "base.h"
#include "store_internal.h"
#include "testing.h"

static char folder[64];

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dbtrain-train-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    char command[96];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* A new, empty store. */
static inline dbt_store *create_store(const char *name)
{
    char path[160];
    dbt_error err = {0};
    dbt_store *store;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path);
    assert_ok(dbt_store_open(path, DBT_STORE_CREATE, &store, &err), err);
    return store;
}

static inline void close_store(dbt_store *store)
{
    dbt_error err = {0};
    assert_ok(dbt_store_close(store, &err), err);
}

/* On the store's own connection, where no trigger runs: what a shell's UPDATE does to a checksum
 * has to be in the script. */
static inline void run_sql(dbt_store *store, const char *script)
{
    dbt_error err = {0};
    assert_ok(dbt__sql_exec(dbt__store_sql(store), script, &err), err);
}

/* The first value of a query as an integer, -1 when there is none. */
static inline int64_t ask(dbt_store *store, const char *query)
{
    dbt_error err = {0};
    int64_t value;
    assert_ok(dbt__sql_int(dbt__store_sql(store), query, -1, &value, &err), err);
    return value;
}

/* The first value of a query; what is compared with it should be close to it. */
static inline double ask_number(dbt_store *store, const char *query)
{
    dbt_error err = {0};
    dbt__statement *statement = NULL;
    assert_ok(dbt__prepare(dbt__store_sql(store), query, &statement, &err), err);
    assert_ok(dbt__step(statement, &err), err);
    assert_false(dbt__column_is_null(statement, 0));
    double value = dbt__column_double(statement, 0);
    dbt__finalize(statement);
    return value;
}

/* The first value of a query as text, to be freed with free; NULL when it is NULL. */
static inline char *ask_text(dbt_store *store, const char *query)
{
    dbt_error err = {0};
    dbt__statement *statement = NULL;
    assert_ok(dbt__prepare(dbt__store_sql(store), query, &statement, &err), err);
    dbt__allow_bytes(statement, DBT__LONGEST_WEIGHTS);
    assert_ok(dbt__step(statement, &err), err);
    dbt_text text = dbt__column_text(statement, 0);
    /* Not strndup: SQLite's text is followed by no terminator that the sanitizer's may look for. */
    char *copy = text.data == NULL ? NULL : calloc(text.bytes + 1, 1);
    if (copy != NULL) memcpy(copy, text.data, text.bytes);
    dbt__finalize(statement);
    return copy;
}

static inline void assert_answer(dbt_store *store, const char *query, const char *expected)
{
    char *answer = ask_text(store, query);
    assert_non_null(answer);
    assert_string_equal(answer, expected);
    free(answer);
}

static inline void bind_and_run(dbt_store *store, const char *insert, const char *a, const char *b,
                                const char *c)
{
    dbt_error err = {0};
    dbt__statement *statement = NULL;
    assert_ok(dbt__prepare(dbt__store_sql(store), insert, &statement, &err), err);
    dbt__bind_string(statement, 1, a);
    if (b != NULL) dbt__bind_string(statement, 2, b);
    if (c != NULL) dbt__bind_string(statement, 3, c);
    assert_ok(dbt__run(statement, &err), err);
    dbt__finalize(statement);
}

/* Appends a document to a split, which is made when it is new; label NULL: none. */
static inline void add_document(dbt_store *store, const char *split, const char *label,
                                const char *text)
{
    bind_and_run(store, "INSERT OR IGNORE INTO split (name) VALUES (?)", split, NULL, NULL);
    if (label != NULL)
        bind_and_run(store, "INSERT OR IGNORE INTO label (name) VALUES (?)", label, NULL, NULL);
    bind_and_run(store,
                 label == NULL ? "INSERT INTO document (text) VALUES (?)"
                               : "INSERT INTO document (text, label_id)"
                                 " VALUES (?, (SELECT id FROM label WHERE name = ?))",
                 text, label, NULL);
    bind_and_run(store,
                 "INSERT INTO split_document SELECT id, documents, (SELECT max(id) FROM document)"
                 " FROM split WHERE name = ?",
                 split, NULL, NULL);
    bind_and_run(store, "UPDATE split SET documents = documents + 1 WHERE name = ?", split, NULL,
                 NULL);
}

/*
 * Appends n documents of labels 'a', 'b', ... in turn: sixteen words each, half of them from a list
 * of the label's own. The same arguments give the same texts.
 */
static inline void add_corpus(dbt_store *store, const char *split, uint64_t seed, size_t n,
                              size_t n_labels)
{
    dbt_error err = {0};
    assert_ok(dbt__sql_begin(dbt__store_sql(store), &err), err);
    for (size_t i = 0; i < n; i++) {
        char text[256] = "", label[2] = {(char)('a' + (char)(i % n_labels)), '\0'};
        for (uint64_t j = 0; j < 16; j++) {
            size_t used = strlen(text);
            uint64_t word = dbt__random_below(seed, 16 * i + j, j % 2 == 0 ? 40 : 400);
            (void)snprintf(text + used, sizeof text - used, "%s%s%llu", j == 0 ? "" : " ",
                           j % 2 == 0 ? label : "word", (unsigned long long)word);
        }
        add_document(store, split, label, text);
    }
    assert_ok(dbt__sql_commit(dbt__store_sql(store), &err), err);
}

#endif

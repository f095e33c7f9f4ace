/*
 * hold_out.c: cutting a split into a training and a validation part that depend on the texts alone.
 *
 * A document is held out when the hash of its text, keyed with the seed, is below fraction * 2^64;
 * of a split that was cut itself, with another key: else all of it would be on one side.
 * So equal texts are always on the same side, and a document that is added later moves no other.
 * But validation must not hold a label that training lacks: the first document of each label stays
 * in training, and with it every text that has the same hash, wherever it stands.
 *
 * Two passes over the split. The first reads the texts: it takes a hash of everything the result
 * depends on, the hashes of the kept texts, and a bit for each document, whether its own hash is
 * below the limit; if the parts in the file were made of the same, it ends there. The second
 * writes, and reads a text again only where its bit is set and some kept text's hash is below the
 * limit, too. It reads a few thousand rows, resets, and writes them, many in a statement: SQLite
 * would otherwise have to find its place in the table anew after every insert.
 *
 * A part that loses documents by it, or has them in other places, loses what was evaluated and
 * predicted of it, too: it was of documents that are not the part's any more. One that only grew at
 * its end, or in which a text has changed, is like any other split to which that happens.
 *
 * What the parts were before waits in temporary tables, until whoever had them cut has use for the
 * new ones, or has not.
 */
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "sql.h"
#include "store_internal.h"

/* --- a set of numbers --- */

typedef struct number_set {
    uint64_t *slot; /* [capacity], a power of two; 0: free */
    size_t capacity;
    size_t n;
    bool has_zero;
} number_set;

/* Where `number` is, or the free slot where it belongs. There is always a free one. */
static uint64_t *find_slot(const number_set *set, uint64_t number)
{
    size_t i = (size_t)dbt__random(number, 0) & (set->capacity - 1);
    while (set->slot[i] != 0 && set->slot[i] != number)
        i = (i + 1) & (set->capacity - 1);
    return &set->slot[i];
}

static bool set_has(const number_set *set, uint64_t number)
{
    if (number == 0) return set->has_zero;
    return set->capacity != 0 && *find_slot(set, number) == number;
}

static dbt_status grow_set(number_set *set, dbt_error *err)
{
    number_set grown = {.capacity = set->capacity == 0 ? 64 : set->capacity * 2, .n = set->n};
    grown.slot = dbt__alloc_array(grown.capacity, sizeof *grown.slot);
    if (grown.slot == NULL) return dbt__out_of_memory(err, "the labels of a split");
    grown.has_zero = set->has_zero;
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slot[i] != 0) *find_slot(&grown, set->slot[i]) = set->slot[i];
    dbt__free(set->slot);
    *set = grown;
    return DBT_OK;
}

static dbt_status set_add(number_set *set, uint64_t number, dbt_error *err)
{
    if (number == 0) {
        set->has_zero = true;
        return DBT_OK;
    }
    if (2 * (set->n + 1) > set->capacity) {
        dbt_status status = grow_set(set, err);
        if (status < 0) return status;
    }
    uint64_t *slot = find_slot(set, number);
    if (*slot == 0) set->n++;
    *slot = number;
    return DBT_OK;
}

/* --- the cut --- */

enum { TRAIN, VALIDATION, N_PARTS };
static const char *const part_suffix[N_PARTS] = {"/train", "/validation"};

typedef struct part {
    char *name;
    dbt_split split;
} part;

typedef struct cut {
    dbt__sql *sql;
    const char *name; /* of the split that is cut */
    const dbt_hold_out_options *options;
    dbt_split parent;
    uint64_t key;    /* of the hashes of texts: */
    uint64_t limit;  /* those below it are held out, */
    number_set kept; /* but for these: of texts that stay in training */
    uint64_t *below; /* [documents, a bit each]: whether the text's hash is below the limit */
    size_t below_capacity;
    char *origin; /* what the parts are made of, as stored */
    part parts[N_PARTS];
    dbt__statement *rows;   /* of the parent: position, id, label, text */
    dbt__statement *places; /* position, id between two positions */
    dbt__statement *text;   /* of a document */
    dbt__bulk add;
} cut;

/* Rows that are read before they are written, and before somebody is asked whether to stop. */
enum { CHUNK = 4096 };

static dbt_status ask_to_stop(const cut *c, dbt_error *err)
{
    const dbt_hold_out_options *options = c->options;
    if (options->stop == NULL || !options->stop(options->context)) return DBT_OK;
    return dbt__fail(err, DBT_EINTERRUPTED, "interrupted while '%s' was cut", c->name);
}

static dbt_status read_row(const cut *c, dbt__statement *rows, int64_t position, dbt_error *err)
{
    dbt_status status = dbt__step(rows, err);
    if (status == DBT_DONE || (status == DBT_OK && dbt__column_int(rows, 0) != position))
        return dbt__split_lacks(c->name, position, err);
    return status;
}

static dbt_status note_below(cut *c, int64_t position, bool below, dbt_error *err)
{
    size_t word = (size_t)position / 64;
    if (position % 64 == 0) {
        dbt_status status = dbt__reserve((void **)&c->below, &c->below_capacity, word + 1,
                                         sizeof *c->below, "a split", err);
        if (status < 0) return status;
        c->below[word] = 0;
    }
    c->below[word] |= (uint64_t)below << position % 64;
    return DBT_OK;
}

static bool is_below(const cut *c, int64_t position)
{
    return (c->below[position / 64] >> position % 64 & 1) != 0;
}

/* Takes the row into the hash of the content, notes on which side its text is, and keeps that if it
 * is the first of its label. */
static dbt_status survey_row(cut *c, dbt__hasher *content, number_set *labels, dbt_error *err)
{
    dbt_text text;
    dbt_status status = dbt__document_text(c->rows, 3, &text, err);
    if (status < 0) return status;
    uint64_t label = (uint64_t)dbt__column_int(c->rows, 2);
    uint64_t head[4] = {(uint64_t)dbt__column_int(c->rows, 0),
                        (uint64_t)dbt__column_int(c->rows, 1), label, text.bytes};
    dbt__hasher_update(content, head, sizeof head);
    dbt__hasher_update(content, text.data, text.bytes);
    uint64_t hash = dbt__hash(text.data, text.bytes, c->key);
    status = note_below(c, (int64_t)head[0], hash < c->limit, err);
    if (status < 0 || label == 0 || set_has(labels, label)) return status;
    status = set_add(labels, label, err);
    if (status == DBT_OK && hash < c->limit) status = set_add(&c->kept, hash, err);
    return status;
}

static dbt_status survey(cut *c, uint64_t *digest, dbt_error *err)
{
    number_set labels = {0};
    dbt_status status = DBT_OK;
    dbt__hasher *content = dbt__hasher_new();
    if (content == NULL) {
        status = dbt__out_of_memory(err, "a hash");
        goto out;
    }
    dbt__bind_int(c->rows, 1, c->parent.id);
    for (int64_t position = 0; position < c->parent.documents; position++) {
        if (position % CHUNK == 0) status = ask_to_stop(c, err);
        if (status == DBT_OK) status = read_row(c, c->rows, position, err);
        if (status == DBT_OK) status = survey_row(c, content, &labels, err);
        if (status < 0) goto out;
    }
    *digest = dbt__hasher_digest(content);
out:
    dbt__reset(c->rows);
    dbt__hasher_free(content);
    dbt__free(labels.slot);
    return status;
}

/* Writes c->origin; SQLite makes the JSON, so that names are quoted and no locale enters. */
static dbt_status describe_origin(cut *c, uint64_t digest, dbt_error *err)
{
    char hex[DBT__DIGEST_CHARS];
    dbt__statement *statement;
    dbt_status status =
        dbt__prepare(c->sql,
                     "SELECT json_object('parent', ?, 'documents', ?, 'fraction', ?,"
                     " 'seed', ?, 'data', ?)",
                     &statement, err);
    if (status < 0) return status;
    dbt__digest_text(digest, hex);
    dbt__bind_string(statement, 1, c->name);
    dbt__bind_int(statement, 2, c->parent.documents);
    dbt__bind_double(statement, 3, c->options->fraction);
    dbt__bind_int(statement, 4, (int64_t)c->options->seed);
    dbt__bind_string(statement, 5, hex);
    status = dbt__step(statement, err);
    if (status == DBT_OK) {
        dbt_text json = dbt__column_text(statement, 0);
        c->origin = dbt__alloc_array(json.bytes + 1, 1);
        if (c->origin == NULL || json.data == NULL)
            status = dbt__out_of_memory(err, "a split");
        else
            memcpy(c->origin, json.data, json.bytes);
    }
    dbt__finalize(statement);
    return status;
}

/* *same: the part is in the file, was made of the same, and nobody has taken rows out of it. */
static dbt_status find_part(cut *c, part *found, bool *same, dbt_error *err)
{
    dbt__statement *statement;
    dbt_status status = dbt__prepare(c->sql,
                                     "SELECT id, documents, documents = (SELECT count(*)"
                                     " FROM split_document WHERE split_id = split.id)"
                                     " FROM split WHERE name = ? AND origin = ?",
                                     &statement, err);
    if (status < 0) return status;
    dbt__bind_string(statement, 1, found->name);
    dbt__bind_string(statement, 2, c->origin);
    status = dbt__step(statement, err);
    *same = status == DBT_OK && dbt__column_int(statement, 2) != 0;
    if (*same)
        found->split = (dbt_split){dbt__column_int(statement, 0), dbt__column_int(statement, 1)};
    dbt__finalize(statement);
    return status < 0 ? status : DBT_OK;
}

/* Makes the part without rows, or takes the rows out of the part of that name. */
static dbt_status remake_part(cut *c, part *made, dbt_error *err)
{
    dbt__statement *statement;
    dbt_status status = dbt__prepare(
        c->sql,
        "INSERT INTO split (name, origin) VALUES (?, ?) ON CONFLICT (name)"
        " DO UPDATE SET origin = excluded.origin WHERE origin IS NOT NULL RETURNING id",
        &statement, err);
    if (status < 0) return status;
    dbt__bind_string(statement, 1, made->name);
    dbt__bind_string(statement, 2, c->origin);
    status = dbt__step(statement, err);
    if (status == DBT_OK) made->split = (dbt_split){dbt__column_int(statement, 0), 0};
    dbt__finalize(statement);
    if (status == DBT_DONE)
        return dbt__fail(err, DBT_EUSAGE,
                         "split '%s' was not cut from '%s', so it is left alone: give the split to "
                         "validate on, or rename that one",
                         made->name, c->name);
    if (status < 0) return status;
    return dbt__sql_run(c->sql, "DELETE FROM split_document WHERE split_id = ?", &made->split.id, 1,
                        err);
}

/* Documents of one part, in the order of the split. */
typedef struct chunk {
    size_t n;
    int64_t document[CHUNK];
} chunk;

/* Whether the text of the document, which is below the limit, stays in training all the same. */
static dbt_status is_kept(cut *c, int64_t document, bool *kept, dbt_error *err)
{
    *kept = false;
    if (c->kept.n == 0 && !c->kept.has_zero) return DBT_OK;
    dbt__bind_int(c->text, 1, document);
    dbt_status status = dbt__step(c->text, err);
    dbt_text text;
    if (status >= 0) status = dbt__document_text(c->text, 0, &text, err);
    if (status == DBT_OK) *kept = set_has(&c->kept, dbt__hash(text.data, text.bytes, c->key));
    dbt__reset(c->text);
    return status;
}

static dbt_status read_chunk(cut *c, int64_t start, int64_t n, chunk *chunks, dbt_error *err)
{
    dbt_status status = DBT_OK;
    dbt__bind_int(c->places, 1, c->parent.id);
    dbt__bind_int(c->places, 2, start);
    dbt__bind_int(c->places, 3, start + n);
    for (int64_t position = start; status == DBT_OK && position < start + n; position++) {
        status = read_row(c, c->places, position, err);
        if (status < 0) break;
        int64_t document = dbt__column_int(c->places, 1);
        bool kept = true;
        if (is_below(c, position)) status = is_kept(c, document, &kept, err);
        chunk *side = &chunks[kept ? TRAIN : VALIDATION];
        side->document[side->n++] = document;
    }
    dbt__reset(c->places);
    return status;
}

static dbt_status write_chunk(cut *c, dbt_split *split, const chunk *side, dbt_error *err)
{
    dbt_status status = DBT_OK;
    for (size_t at = 0, rows; status == DBT_OK && at < side->n; at += rows) {
        dbt__statement *add;
        rows = dbt__bulk_next(&c->add, side->n - at, &add);
        dbt__bind_int(add, 1, split->id);
        for (size_t i = 0; i < rows; i++) {
            int index = (int)(2 * i + 2);
            dbt__bind_int(add, index, split->documents++);
            dbt__bind_int(add, index + 1, side->document[at + i]);
        }
        status = dbt__run(add, err);
    }
    return status;
}

static dbt_status write_parts(cut *c, dbt_error *err)
{
    dbt_status status = DBT_OK;
    chunk *chunks = dbt__alloc_array(N_PARTS, sizeof *chunks);
    if (chunks == NULL) return dbt__out_of_memory(err, "a split");
    /* What is written was just read: the split, and the documents by their ids. */
    dbt__sql_check_keys(c->sql, false);
    for (int64_t start = 0; status == DBT_OK && start < c->parent.documents; start += CHUNK) {
        int64_t left = c->parent.documents - start;
        chunks[TRAIN].n = chunks[VALIDATION].n = 0;
        status = ask_to_stop(c, err);
        if (status == DBT_OK)
            status = read_chunk(c, start, left < CHUNK ? left : CHUNK, chunks, err);
        for (int i = 0; status == DBT_OK && i < N_PARTS; i++)
            status = write_chunk(c, &c->parts[i].split, &chunks[i], err);
    }
    dbt__sql_check_keys(c->sql, true);
    dbt__free(chunks);
    return status;
}

static dbt_status finish_part(cut *c, const part *made, dbt_error *err)
{
    if (made->split.documents == 0)
        return dbt__fail(err, DBT_EDATA,
                         "split '%s' would have no documents: of the %lld of '%s' %s; take another "
                         "share or seed, or validate on a split of its own",
                         made->name, (long long)c->parent.documents, c->name,
                         made == &c->parts[TRAIN]
                             ? "all were drawn for validation"
                             : "none was drawn that may leave training, where the first of each "
                               "label stays");
    return dbt__sql_run(c->sql, "UPDATE split SET documents = ? WHERE id = ?",
                        (int64_t[]){made->split.documents, made->split.id}, 2, err);
}

static dbt_status run_for_parts(cut *c, const char *text, dbt_error *err)
{
    dbt__statement *statement;
    dbt_status status = dbt__prepare(c->sql, text, &statement, err);
    if (status < 0) return status;
    for (int i = 0; i < N_PARTS; i++)
        dbt__bind_string(statement, i + 1, c->parts[i].name);
    status = dbt__run(statement, err);
    dbt__finalize(statement);
    return status;
}

/* --- what the parts were --- */

#define FORGET_PARTS                                                                               \
    "DROP TABLE IF EXISTS temp.part_before; DROP TABLE IF EXISTS temp.place_before;"               \
    "DROP TABLE IF EXISTS temp.evaluation_before; DROP TABLE IF EXISTS temp.prediction_before;"
/* By run, too: the tables' keys begin with it. */
#define OF_MOVED_PARTS                                                                             \
    " WHERE run_id IN (SELECT id FROM run)"                                                        \
    " AND split_id IN (SELECT id FROM temp.part_before WHERE moved)"

static dbt_status remember_parts(cut *c, dbt_error *err)
{
    dbt_status status = dbt__sql_exec(c->sql, FORGET_PARTS, err);
    if (status == DBT_OK)
        status = run_for_parts(c,
                               "CREATE TABLE temp.part_before AS SELECT id, documents, origin,"
                               " 0 AS moved FROM split WHERE name IN (?, ?)",
                               err);
    if (status < 0) return status;
    return dbt__sql_exec(c->sql,
                         "CREATE TABLE temp.place_before AS SELECT * FROM split_document"
                         " WHERE split_id IN (SELECT id FROM temp.part_before)",
                         err);
}

/* Those that were not there, too: without an origin, which every part has. */
static dbt_status remember_new_parts(cut *c, dbt_error *err)
{
    return run_for_parts(c,
                         "INSERT INTO temp.part_before (id) SELECT id FROM split"
                         " WHERE name IN (?, ?) AND id NOT IN (SELECT id FROM temp.part_before)",
                         err);
}

/* What runs made of documents that are in other places now, or in the other part. */
static dbt_status take_outcomes(const cut *c, dbt_error *err)
{
    return dbt__sql_exec(
        c->sql,
        "UPDATE temp.part_before SET moved = EXISTS"
        " (SELECT 1 FROM temp.place_before AS before WHERE before.split_id = part_before.id"
        "  AND before.document_id IS NOT (SELECT document_id FROM split_document AS now"
        "   WHERE now.split_id = before.split_id AND now.position = before.position));"
        "CREATE TABLE temp.evaluation_before AS SELECT * FROM evaluation" OF_MOVED_PARTS ";"
        "CREATE TABLE temp.prediction_before AS SELECT * FROM prediction" OF_MOVED_PARTS ";"
        "DELETE FROM evaluation" OF_MOVED_PARTS ";"
        "DELETE FROM prediction" OF_MOVED_PARTS,
        err);
}

dbt_status dbt__hold_out_took(dbt_store *store, bool *outcomes, dbt_error *err)
{
    int64_t any = 0;
    dbt_status status = dbt__sql_int(dbt__store_sql(store),
                                     "SELECT EXISTS (SELECT 1 FROM temp.evaluation_before)"
                                     " OR EXISTS (SELECT 1 FROM temp.prediction_before)",
                                     0, &any, err);
    *outcomes = any != 0;
    return status;
}

dbt_status dbt__hold_out_keep(dbt_store *store, dbt_error *err)
{
    return dbt__sql_exec(dbt__store_sql(store), FORGET_PARTS, err);
}

dbt_status dbt__hold_out_undo(dbt_store *store, dbt_error *err)
{
    dbt__sql *sql = dbt__store_sql(store);
    dbt_status status = dbt__sql_begin(sql, err);
    if (status < 0) return status;
    status = dbt__sql_exec(
        sql,
        "DELETE FROM split_document WHERE split_id IN (SELECT id FROM temp.part_before);"
        "INSERT INTO split_document SELECT * FROM temp.place_before;"
        "INSERT OR REPLACE INTO evaluation SELECT * FROM temp.evaluation_before;"
        "INSERT OR REPLACE INTO prediction SELECT * FROM temp.prediction_before;"
        "UPDATE split SET documents = before.documents, origin = before.origin"
        " FROM temp.part_before AS before"
        " WHERE before.id = split.id AND before.origin IS NOT NULL;"
        "DELETE FROM split WHERE id IN"
        " (SELECT id FROM temp.part_before WHERE origin IS NULL);" FORGET_PARTS,
        err);
    return dbt__sql_end(sql, status, err);
}

/* --- the whole --- */

static dbt_status make_parts(cut *c, dbt_error *err)
{
    dbt_status status = remember_parts(c, err);
    if (status == DBT_OK) status = remake_part(c, &c->parts[TRAIN], err);
    if (status == DBT_OK) status = remake_part(c, &c->parts[VALIDATION], err);
    if (status == DBT_OK) status = remember_new_parts(c, err);
    if (status == DBT_OK) status = write_parts(c, err);
    if (status == DBT_OK) status = finish_part(c, &c->parts[TRAIN], err);
    if (status == DBT_OK) status = finish_part(c, &c->parts[VALIDATION], err);
    if (status == DBT_OK) status = take_outcomes(c, err);
    return status;
}

static dbt_status choose_key(cut *c, dbt_error *err)
{
    dbt__statement *statement;
    dbt_status status = dbt__prepare(
        c->sql, "SELECT 1 FROM split WHERE id = ? AND origin IS NOT NULL", &statement, err);
    if (status < 0) return status;
    dbt__bind_int(statement, 1, c->parent.id);
    status = dbt__step(statement, err);
    c->key = c->options->seed;
    if (status == DBT_OK) c->key = dbt__hash(c->name, strlen(c->name), c->options->seed);
    dbt__finalize(statement);
    return status < 0 ? status : DBT_OK;
}

static dbt_status prepare_cut(cut *c, dbt_error *err)
{
    dbt_status status = dbt__prepare(
        c->sql,
        "SELECT place.position, place.document_id, document.label_id, document.text"
        " FROM split_document AS place CROSS JOIN document ON document.id = place.document_id"
        " WHERE place.split_id = ? ORDER BY place.position",
        &c->rows, err);
    if (status == DBT_OK)
        status = dbt__prepare(c->sql,
                              "SELECT position, document_id FROM split_document WHERE split_id = ?"
                              " AND position >= ? AND position < ? ORDER BY position",
                              &c->places, err);
    if (status == DBT_OK)
        status = dbt__prepare(c->sql, "SELECT text FROM document WHERE id = ?", &c->text, err);
    if (status < 0) return status;
    dbt__allow_bytes(c->rows, DBT__LONGEST_TEXT);
    dbt__allow_bytes(c->text, DBT__LONGEST_TEXT);
    for (int i = 0; i < N_PARTS; i++) {
        size_t bytes = strlen(c->name) + strlen(part_suffix[i]) + 1;
        c->parts[i].name = dbt__alloc_array(bytes, 1);
        if (c->parts[i].name == NULL) return dbt__out_of_memory(err, "a split");
        (void)snprintf(c->parts[i].name, bytes, "%s%s", c->name, part_suffix[i]);
    }
    return dbt__bulk_prepare(
        c->sql, "INSERT OR FAIL INTO split_document (split_id, position, document_id) VALUES",
        "(?1, ?, ?)", &c->add, err);
}

static void release_cut(cut *c)
{
    dbt__finalize(c->rows);
    dbt__finalize(c->places);
    dbt__finalize(c->text);
    dbt__bulk_finalize(&c->add);
    for (int i = 0; i < N_PARTS; i++)
        dbt__free(c->parts[i].name);
    dbt__free(c->kept.slot);
    dbt__free(c->below);
    dbt__free(c->origin);
}

/* Inside of a transaction. */
static dbt_status cut_split(cut *c, bool *reused, dbt_error *err)
{
    uint64_t digest = 0;
    bool same[N_PARTS] = {false, false};
    dbt_status status = choose_key(c, err);
    if (status == DBT_OK) status = prepare_cut(c, err);
    if (status == DBT_OK) status = survey(c, &digest, err);
    if (status == DBT_OK) status = describe_origin(c, digest, err);
    for (int i = 0; status == DBT_OK && i < N_PARTS; i++)
        status = find_part(c, &c->parts[i], &same[i], err);
    /* Somebody may have added rows to them, with a shell. */
    *reused = status == DBT_OK && same[TRAIN] && same[VALIDATION] &&
              c->parts[TRAIN].split.documents + c->parts[VALIDATION].split.documents ==
                  c->parent.documents;
    if (status == DBT_OK && !*reused) status = make_parts(c, err);
    return status;
}

void dbt_hold_out_options_init(dbt_hold_out_options *options)
{
    *options = (dbt_hold_out_options){.fraction = 0.2, .seed = 123};
}

dbt_status dbt_store_hold_out(dbt_store *store, const char *name,
                              const dbt_hold_out_options *options, dbt_split *train,
                              dbt_split *validation, bool *reused, dbt_error *err)
{
    *train = *validation = (dbt_split){0};
    *reused = false;
    if (!(options->fraction > 0 && options->fraction < 1))
        return dbt__fail(err, DBT_EUSAGE,
                         "the validation split must be more than 0 and less than 1");
    cut c = {.sql = dbt__store_sql(store), .name = name, .options = options};
    /* Exact: the largest double below 1 is 1 - 2^-53. */
    c.limit = (uint64_t)(options->fraction * 0x1p64);
    dbt_status status = dbt__sql_begin(c.sql, err);
    if (status < 0) return status;
    status = dbt_store_find_split(store, name, &c.parent, err);
    if (status == DBT_OK && c.parent.documents == 0)
        status = dbt__fail(err, DBT_EDATA, "split '%s' has no documents", name);
    if (status == DBT_OK) status = cut_split(&c, reused, err);
    /* Unfinished statements would keep the transaction from ending. */
    release_cut(&c);
    status = dbt__sql_end(c.sql, status, err);
    if (status == DBT_OK) {
        *train = c.parts[TRAIN].split;
        *validation = c.parts[VALIDATION].split;
    } else {
        *reused = false;
    }
    return status;
}

/*
 * vocabulary.c: the tables vectorizer, feature and vocabulary.
 *
 * A vectorizer is its row (settings, fingerprint of the data), its selected terms (feature) and the
 * document frequencies of the others (vocabulary: parts as blobs), which the norm of a row needs.
 * `digest` covers settings and features, each part has its own: all are verified at loading, since
 * SQLite does not notice a flipped bit. A hashing vectorizer is its row alone.
 */
#include "vocabulary.h"

#include <math.h>
#include <string.h>

#include <dbtrain/cursor.h>

#include "corpus.h"
#include "settings.h"
#include "store_internal.h"
#include "weights.h"

dbt_status dbt__vocabulary_settings(dbt__sql *sql, const dbt_vectorizer_options *options,
                                    char **json, dbt_error *err)
{
    *json = NULL;
    char *plain = NULL;
    dbt__statement *statement = NULL;
    dbt_status status = dbt__settings_write(sql, dbt__vectorizer_fields, options, &plain, err);
    if (status == DBT_OK)
        status = dbt__prepare(sql, "SELECT json_set(?, '$.version', ?, '$.unicode', ?)", &statement,
                              err);
    if (status < 0) goto out;
    dbt__bind_string(statement, 1, plain);
    dbt__bind_int(statement, 2, DBT_VECTORIZER_VERSION);
    dbt__bind_string(statement, 3, dbt_vectorizer_unicode_version());
    status = dbt__step(statement, err);
    if (status == DBT_OK) status = dbt__column_copy(statement, 0, json, err);
out:
    dbt__finalize(statement);
    dbt__free(plain);
    return status;
}

/* *id is 0 when there is none. */
static dbt_status find_vectorizer(dbt__sql *sql, const char *settings, const char *fingerprint,
                                  int64_t *id, dbt_error *err)
{
    *id = 0;
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(sql,
                                     "SELECT id FROM vectorizer WHERE fingerprint = ? AND"
                                     " settings = ? ORDER BY id DESC LIMIT 1",
                                     &select, err);
    if (status < 0) return status;
    dbt__bind_string(select, 1, fingerprint);
    dbt__bind_string(select, 2, settings);
    status = dbt__step(select, err);
    if (status == DBT_OK) *id = dbt__column_int(select, 0);
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

/* Features that have a term, and so a row. */
static size_t count_terms(const dbt_vectorizer *vectorizer)
{
    bool hashing = dbt_vectorizer_get_options(vectorizer)->hash_bits != 0;
    return hashing ? 0 : dbt_vectorizer_features(vectorizer);
}

static void hash_feature(dbt__hasher *hasher, const dbt_feature *feature)
{
    /* NaN has many bit patterns and is stored as NULL: hash what is read back. */
    double score = isnan(feature->score) ? 0 : feature->score;
    dbt__hasher_update(hasher, feature->term, feature->term_bytes);
    dbt__hasher_update(hasher, "", 1);
    dbt__hasher_update(hasher, &feature->document_frequency, sizeof(int64_t));
    dbt__hasher_update(hasher, &feature->idf, sizeof(double));
    dbt__hasher_update(hasher, &score, sizeof(double));
}

/* Binds number, term, document frequency, idf and score, from parameter `index` on. */
static void bind_feature(dbt__statement *insert, int index, const dbt_vectorizer *vectorizer,
                         size_t number)
{
    dbt_feature feature = dbt_vectorizer_feature(vectorizer, number);
    dbt__bind_int(insert, index, (int64_t)number);
    dbt__bind_text(insert, index + 1, feature.term, feature.term_bytes);
    dbt__bind_int(insert, index + 2, feature.document_frequency);
    dbt__bind_double(insert, index + 3, feature.idf);
    if (isnan(feature.score))
        dbt__bind_null(insert, index + 4);
    else
        dbt__bind_double(insert, index + 4, feature.score);
}

static dbt_status write_features(dbt__sql *sql, int64_t id, const dbt_vectorizer *vectorizer,
                                 dbt_error *err)
{
    dbt__bulk bulk;
    /* The vectorizer was just stored. A statement that checks it would copy each page first. */
    dbt__sql_check_keys(sql, false);
    dbt_status status = dbt__bulk_prepare(sql,
                                          "INSERT OR FAIL INTO feature (vectorizer_id, id, term,"
                                          " document_frequency, idf, score) VALUES",
                                          "(?1, ?, ?, ?, ?, ?)", &bulk, err);
    for (size_t at = 0, rows; status == DBT_OK && at < count_terms(vectorizer); at += rows) {
        dbt__statement *insert;
        rows = dbt__bulk_next(&bulk, count_terms(vectorizer) - at, &insert);
        dbt__bind_int(insert, 1, id);
        for (size_t i = 0; i < rows; i++)
            bind_feature(insert, (int)(5 * i + 2), vectorizer, at + i);
        status = dbt__run(insert, err);
    }
    dbt__bulk_finalize(&bulk);
    dbt__sql_check_keys(sql, true);
    return status;
}

static dbt_status write_parts(dbt__sql *sql, int64_t id, const dbt_vectorizer *vectorizer,
                              dbt_error *err)
{
    dbt__statement *insert = NULL;
    dbt_status status = dbt__prepare(
        sql, "INSERT INTO vocabulary (vectorizer_id, part, value, digest) VALUES (?, ?, ?, ?)",
        &insert, err);
    for (size_t part = 0; status == DBT_OK && part < dbt_vectorizer_parts(vectorizer); part++) {
        unsigned char *value = NULL;
        size_t bytes = 0;
        status = dbt_vectorizer_encode(vectorizer, part, &value, &bytes, err);
        if (status < 0) break;
        char digest[DBT__DIGEST_CHARS];
        dbt__digest_text(dbt__hash(value, bytes, 0), digest);
        dbt__bind_int(insert, 1, id);
        dbt__bind_int(insert, 2, (int64_t)part);
        dbt__bind_blob(insert, 3, value, bytes);
        dbt__bind_string(insert, 4, digest);
        status = dbt__run(insert, err);
        dbt_free(value);
    }
    dbt__finalize(insert);
    return status;
}

/* Over the settings as they are stored, and the features; programs of schema version 1, whose
 * settings do not say hash_bits, took the features alone. */
static dbt_status digest_vectorizer(const dbt_vectorizer *vectorizer, const char *settings,
                                    char digest[DBT__DIGEST_CHARS], dbt_error *err)
{
    dbt__hasher *hasher = dbt__hasher_new();
    if (hasher == NULL) return dbt__out_of_memory(err, "a digest");
    if (strstr(settings, "\"hash_bits\"") != NULL)
        dbt__hasher_update(hasher, settings, strlen(settings) + 1);
    for (size_t i = 0; i < count_terms(vectorizer); i++) {
        dbt_feature feature = dbt_vectorizer_feature(vectorizer, i);
        hash_feature(hasher, &feature);
    }
    dbt__digest_text(dbt__hasher_digest(hasher), digest);
    dbt__hasher_free(hasher);
    return DBT_OK;
}

static dbt_status write_vectorizer(dbt__sql *sql, const char *settings, const char *fingerprint,
                                   const dbt_vectorizer *vectorizer, int64_t *id, dbt_error *err)
{
    char digest[DBT__DIGEST_CHARS];
    dbt_status status = digest_vectorizer(vectorizer, settings, digest, err);
    if (status == DBT_OK) status = dbt__sql_begin(sql, err);
    if (status < 0) return status;
    dbt__statement *insert = NULL;
    status = dbt__prepare(sql,
                          "INSERT INTO vectorizer (settings, fingerprint, documents, terms, digest)"
                          " VALUES (?, ?, ?, ?, ?)",
                          &insert, err);
    if (status == DBT_OK) {
        dbt__bind_string(insert, 1, settings);
        dbt__bind_string(insert, 2, fingerprint);
        dbt__bind_int(insert, 3, dbt_vectorizer_documents(vectorizer));
        dbt__bind_int(insert, 4, dbt_vectorizer_terms(vectorizer));
        dbt__bind_string(insert, 5, digest);
        status = dbt__run(insert, err);
    }
    int64_t made = dbt__sql_last_id(sql);
    dbt__finalize(insert);
    if (status == DBT_OK) status = write_features(sql, made, vectorizer, err);
    if (status == DBT_OK) status = write_parts(sql, made, vectorizer, err);
    status = dbt__sql_end(sql, status, err);
    if (status == DBT_OK) *id = made;
    return status;
}

dbt_status dbt__vocabulary_fit(dbt_store *store, const char *split,
                               const dbt_vectorizer_options *options, dbt__survey *survey,
                               dbt_pool *pool, const dbt_observer *observer,
                               dbt_vectorizer **vectorizer, dbt_vectorizer_stats *stats,
                               dbt_error *err)
{
    dbt__corpus corpus = {0};
    *vectorizer = NULL;
    *stats = (dbt_vectorizer_stats){0};
    int64_t *ids = dbt__alloc_array(survey->labels.n, sizeof *ids);
    dbt_status status = ids == NULL ? dbt__out_of_memory(err, "labels") : DBT_OK;
    if (status == DBT_OK)
        status = dbt__corpus_open(&corpus, store, split, survey->documents, &survey->pages,
                                  dbt_pool_threads(pool), observer, err);
    /* Of a few pages the reader that asks may have none: others are faster. */
    if (status == DBT_OK) status = corpus.pages.go_on(&corpus, err);
    for (size_t i = 0; status == DBT_OK && i < survey->labels.n; i++)
        ids[i] = survey->labels.label[i].id;
    const dbt_classes classes = {survey->labels.n, ids};
    if (status == DBT_OK)
        status = dbt_vectorizer_fit(options, &corpus.pages, &classes, pool, vectorizer, stats, err);
    dbt__free(ids);
    dbt__corpus_close(&corpus);
    return status;
}

dbt_status dbt__vocabulary_store(dbt_store *store, const dbt_vectorizer_options *options,
                                 const dbt__survey *survey, const dbt_vectorizer *vectorizer,
                                 int64_t *id, dbt_error *err)
{
    dbt__sql *sql = dbt__store_sql(store);
    char *settings = NULL;
    char fingerprint[DBT__DIGEST_CHARS];
    dbt__digest_text(survey->fingerprint, fingerprint);
    dbt_status status = dbt__vocabulary_settings(sql, options, &settings, err);
    if (status == DBT_OK)
        status = write_vectorizer(sql, settings, fingerprint, vectorizer, id, err);
    dbt__free(settings);
    return status;
}

dbt_status dbt__vocabulary_find(dbt_store *store, const dbt_vectorizer_options *options,
                                const dbt__survey *survey, dbt_vectorizer **vectorizer, int64_t *id,
                                dbt_error *err)
{
    dbt__sql *sql = dbt__store_sql(store);
    char *settings = NULL;
    char fingerprint[DBT__DIGEST_CHARS];
    dbt__digest_text(survey->fingerprint, fingerprint);
    *vectorizer = NULL;
    dbt_status status = dbt__vocabulary_settings(sql, options, &settings, err);
    if (status == DBT_OK) status = find_vectorizer(sql, settings, fingerprint, id, err);
    if (status == DBT_OK && *id != 0)
        status = dbt__vocabulary_load(sql, *id, options, vectorizer, err);
    dbt__free(settings);
    return status;
}

static dbt_status load_features(dbt__sql *sql, int64_t id, dbt_vectorizer *vectorizer,
                                dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(sql,
                                     "SELECT id, term, document_frequency, idf, score FROM feature"
                                     " WHERE vectorizer_id = ? ORDER BY id",
                                     &select, err);
    if (status < 0) return status;
    dbt__allow_bytes(select, DBT__LONGEST_TEXT);
    dbt__bind_int(select, 1, id);
    for (int64_t n = 0; (status = dbt__step(select, err)) == DBT_OK; n++) {
        dbt_text term = dbt__column_text(select, 1);
        const dbt_feature feature = {
            term.data, term.bytes, dbt__column_int(select, 2), dbt__column_double(select, 3),
            dbt__column_is_null(select, 4) ? (double)NAN : dbt__column_double(select, 4)};
        if (dbt__column_int(select, 0) != n)
            status = dbt__fail(err, DBT_EFORMAT, "feature %lld is missing", (long long)n);
        else
            status = dbt_vectorizer_load_feature(vectorizer, &feature, err);
        if (status < 0) break;
    }
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

static dbt_status load_parts(dbt__sql *sql, int64_t id, dbt_vectorizer *vectorizer, dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        sql, "SELECT part, value, digest FROM vocabulary WHERE vectorizer_id = ? ORDER BY part",
        &select, err);
    if (status < 0) return status;
    dbt__allow_bytes(select, DBT__LONGEST_ROWS);
    dbt__bind_int(select, 1, id);
    for (int64_t n = 0; (status = dbt__step(select, err)) == DBT_OK; n++) {
        size_t bytes = 0;
        const void *value = dbt__column_blob(select, 1, &bytes);
        dbt_text stored = dbt__column_text(select, 2);
        char digest[DBT__DIGEST_CHARS];
        dbt__digest_text(dbt__hash(value, bytes, 0), digest);
        if (dbt__column_int(select, 0) != n)
            status = dbt__fail(err, DBT_EFORMAT, "part %lld is missing", (long long)n);
        else if (stored.bytes != 16 || memcmp(stored.data, digest, 16) != 0)
            status = dbt__fail(err, DBT_EFORMAT, "part %lld is damaged: its digest does not match",
                               (long long)n);
        else
            status = dbt_vectorizer_load_part(vectorizer, value, bytes, err);
        if (status < 0) break;
    }
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

/* The row of `vectorizer`: an empty vectorizer of its settings, these as they are stored, and the
 * digest. */
static dbt_status load_head(dbt__sql *sql, int64_t id, const dbt_vectorizer_options *limits,
                            dbt_vectorizer **vectorizer, char **settings,
                            char digest[DBT__DIGEST_CHARS], dbt_error *err)
{
    *settings = NULL;
    dbt__statement *select = NULL;
    dbt_status status =
        dbt__prepare(sql, "SELECT settings, documents, terms, digest FROM vectorizer WHERE id = ?",
                     &select, err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, id);
    status = dbt__step(select, err);
    if (status == DBT_DONE) status = dbt__fail(err, DBT_EFORMAT, "missing");
    if (status < 0) goto out;
    dbt_vectorizer_options options;
    dbt_vectorizer_options_init(&options);
    if (limits != NULL) {
        options.memory = limits->memory;
        options.table_memory = limits->table_memory;
        options.most_term_bytes = limits->most_term_bytes;
        options.spill_folder = limits->spill_folder;
    }
    status = dbt__column_copy(select, 0, settings, err);
    if (status == DBT_OK)
        status = dbt__settings_read(sql, dbt__vectorizer_fields, &options, *settings, err);
    if (status < 0) goto out;
    dbt_text stored = dbt__column_text(select, 3);
    memset(digest, 0, DBT__DIGEST_CHARS);
    if (stored.bytes < DBT__DIGEST_CHARS) memcpy(digest, stored.data, stored.bytes);
    dbt_error cause = {0};
    status = dbt_vectorizer_load_new(&options, dbt__column_int(select, 1),
                                     dbt__column_int(select, 2), vectorizer, &cause);
    /* Options out of range are here the file's fault. */
    if (status == DBT_EUSAGE) status = DBT_EFORMAT;
    if (status < 0) (void)dbt__fail(err, status, "%s", cause.message);
out:
    dbt__finalize(select);
    return status;
}

dbt_status dbt__vocabulary_load(dbt__sql *sql, int64_t id, const dbt_vectorizer_options *limits,
                                dbt_vectorizer **vectorizer, dbt_error *err)
{
    *vectorizer = NULL;
    dbt_vectorizer *loaded = NULL;
    char *settings = NULL, stored[DBT__DIGEST_CHARS], digest[DBT__DIGEST_CHARS];
    dbt_status status = load_head(sql, id, limits, &loaded, &settings, stored, err);
    if (status == DBT_OK) status = load_features(sql, id, loaded, err);
    if (status == DBT_OK) status = load_parts(sql, id, loaded, err);
    if (status == DBT_OK) status = dbt_vectorizer_load_finish(loaded, err);
    if (status == DBT_OK) status = digest_vectorizer(loaded, settings, digest, err);
    if (status == DBT_OK && strcmp(stored, digest) != 0)
        status = dbt__fail(err, DBT_EFORMAT,
                           "its settings or features are damaged: their digest does not match");
    dbt__free(settings);
    if (status < 0) {
        dbt_vectorizer_free(loaded);
        return dbt__context(err, "vectorizer %lld", (long long)id), status;
    }
    *vectorizer = loaded;
    return DBT_OK;
}

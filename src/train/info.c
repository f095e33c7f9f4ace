/*
 * info.c: what is in a file: the guide's exploration of the data, and the runs.
 *
 * A row is counted as part of the info only when its memory is, so that a half-read info can be
 * released.
 */
#include <math.h>
#include <string.h>

#include <dbtrain/train.h>

#include "base.h"
#include "block_table.h"
#include "run.h"
#include "sql.h"
#include "store_internal.h"
#include "term_sample.h"

/* Documents of more words than this count as having so many in the median. */
#define MOST_WORDS 65536
#define PAGE_ROWS 1024
/* Different n-grams beyond which no more are looked for: the default memory limit does not hold
 * the counts of so many. The rest is reckoned by Heaps' law. */
#define MOST_NGRAMS 16e6
#define HEAPS_EXPONENT 0.8
/* N-grams of a document that is longer are left out. */
#define MOST_BYTES ((size_t)16 << 20)

struct dbt__info_memory {
    dbt_split_info *split;
    size_t split_capacity;
    dbt_run_info *run;
    size_t run_capacity;
    dbt_evaluation_info *evaluation;
    size_t evaluation_capacity;
    dbt_label_count **labels; /* [n_splits], owned */
    size_t labels_capacity;
    char **strings;
    size_t n_strings, string_capacity;
};

/* Copies a column's text into the info; NULL stays NULL. */
static dbt_status keep_text(struct dbt__info_memory *memory, dbt__statement *statement, int column,
                            const char **kept, dbt_error *err)
{
    *kept = NULL;
    char *copy;
    dbt_status status =
        dbt__reserve((void **)&memory->strings, &memory->string_capacity, memory->n_strings + 1,
                     sizeof *memory->strings, "an overview", err);
    if (status == DBT_OK) status = dbt__column_copy(statement, column, &copy, err);
    if (status < 0 || copy == NULL) return status;
    memory->strings[memory->n_strings++] = copy;
    *kept = copy;
    return DBT_OK;
}

/* Bytes of the white space character at `at`, 0 when it is none: that of Python's str.split(),
 * which the guide counts words with. */
static size_t space_bytes(const unsigned char *at, size_t left)
{
    unsigned char c = at[0];
    if (c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31)) return 1;
    if (c < 0xC2 || left < 2) return 0;
    if (c == 0xC2) return at[1] == 0x85 || at[1] == 0xA0 ? 2 : 0;
    if (left < 3) return 0;
    if (c == 0xE1) return at[1] == 0x9A && at[2] == 0x80 ? 3 : 0;
    if (c == 0xE2 && at[1] == 0x80)
        return at[2] <= 0x8A || at[2] == 0xA8 || at[2] == 0xA9 || at[2] == 0xAF ? 3 : 0;
    if (c == 0xE2) return at[1] == 0x81 && at[2] == 0x9F ? 3 : 0;
    return c == 0xE3 && at[1] == 0x80 && at[2] == 0x80 ? 3 : 0;
}

static int64_t count_words(dbt_text text)
{
    const unsigned char *data = (const unsigned char *)text.data;
    int64_t words = 0;
    bool inside = false;
    for (size_t i = 0; i < text.bytes;) {
        size_t space = space_bytes(data + i, text.bytes - i);
        words += space == 0 && !inside;
        inside = space == 0;
        i += space == 0 ? 1 : space;
    }
    return words;
}

/* The median of a histogram, as numpy's: the mean of the two middle values. */
static double histogram_median(const int64_t *histogram, int64_t n)
{
    int64_t seen = 0, low = -1;
    for (int64_t words = 0; words <= MOST_WORDS; words++) {
        seen += histogram[words];
        if (low < 0 && seen > (n - 1) / 2) low = words;
        if (seen > n / 2) return (double)(low + words) / 2;
    }
    return 0;
}

typedef struct word_counts {
    int64_t *histogram; /* [MOST_WORDS + 1] */
    int64_t documents;
    double words;
    dbt__term_sample *terms;
    int64_t sampled; /* documents */
} word_counts;

static dbt_status sample_terms(word_counts *counts, dbt_text text, dbt_error *err)
{
    counts->sampled++;
    return text.bytes > MOST_BYTES ? DBT_OK : dbt__term_sample_add(counts->terms, text, err);
}

/* Documents at positions from *next on, some of them; *next: where the others are. */
static dbt_status count_page(dbt__statement *select, const dbt_split_info *split, int64_t *next,
                             word_counts *counts, dbt_error *err)
{
    dbt_status status;
    bool samples = dbt__term_sample_ngrams(counts->terms) < MOST_NGRAMS;
    dbt__bind_string(select, 1, split->name);
    dbt__bind_int(select, 2, *next);
    dbt__bind_int(select, 3, split->documents); /* others may be added meanwhile */
    dbt__bind_int(select, 4, PAGE_ROWS);
    while ((status = dbt__step(select, err)) == DBT_OK) {
        dbt_text text = dbt__column_text(select, 1);
        if (samples && (status = sample_terms(counts, text, err)) < 0) break;
        int64_t words = count_words(text);
        counts->words += (double)words;
        counts->histogram[words > MOST_WORDS ? MOST_WORDS : words]++;
        counts->documents++;
        *next = dbt__column_int(select, 0) + 1;
    }
    dbt__reset(select);
    return status < 0 ? status : DBT_OK;
}

/* Places without a document. Since the split's size was read, others may have made it smaller: both
 * are asked for again, in one statement, which sees one state of the file. */
static dbt_status count_missing(dbt__sql *sql, dbt_split_info *split, dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        sql,
        "SELECT max(0, documents - (SELECT count(*) FROM split_document s JOIN document d"
        " ON d.id = s.document_id WHERE s.split_id = split.id AND s.position < split.documents))"
        " FROM split WHERE name = ?",
        &select, err);
    if (status < 0) return status;
    dbt__bind_string(select, 1, split->name);
    status = dbt__step(select, err);
    if (status == DBT_OK) split->missing = dbt__column_int(select, 0);
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

/* Not through a cursor, which refuses a split that lacks a document: this tells of the others. But
 * as there, no transaction is held from page to page. */
static dbt_status count_split_words(dbt__sql *sql, dbt_split_info *split, dbt_error *err)
{
    word_counts counts = {.histogram = dbt__alloc_array(MOST_WORDS + 1, sizeof(int64_t))};
    if (counts.histogram == NULL) return dbt__out_of_memory(err, "an overview");
    dbt_vectorizer_options options;
    dbt_vectorizer_options_init(&options);
    dbt__statement *select = NULL;
    dbt_status status = dbt__term_sample_new(&options, &counts.terms, err);
    if (status == DBT_OK)
        status = dbt__prepare(
            sql,
            "SELECT s.position, d.text FROM split_document s CROSS JOIN document d"
            " ON d.id = s.document_id WHERE s.split_id = (SELECT id FROM split WHERE name = ?1)"
            " AND s.position >= ?2 AND s.position < ?3 ORDER BY s.position LIMIT ?4",
            &select, err);
    if (status == DBT_OK) dbt__allow_bytes(select, DBT__LONGEST_TEXT);
    for (int64_t next = 0, before = -1; status == DBT_OK && next > before;) {
        before = next;
        status = count_page(select, split, &next, &counts, err);
    }
    if (status == DBT_OK && counts.documents > 0) {
        split->median_words = histogram_median(counts.histogram, counts.documents);
        split->mean_words = counts.words / (double)counts.documents;
        double more = pow((double)counts.documents / (double)counts.sampled, HEAPS_EXPONENT);
        split->ngrams = more * dbt__term_sample_ngrams(counts.terms);
        split->terms = more * dbt__term_sample_terms(counts.terms, options.min_df);
    }
    dbt__term_sample_free(counts.terms);
    bool is_whole = counts.documents == split->documents;
    split->documents = counts.documents;
    dbt__finalize(select);
    dbt__free(counts.histogram);
    return status < 0 || is_whole ? status : count_missing(sql, split, err);
}

/* Appends the rows of label_count for a split, most frequent first. */
static dbt_status read_labels(dbt__sql *sql, int64_t split_id, struct dbt__info_memory *memory,
                              dbt_split_info *split, dbt_label_count **labels, dbt_error *err)
{
    size_t capacity = 0;
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        sql,
        "SELECT l.name, c.n FROM (SELECT d.label_id AS id, count(*) AS n FROM split_document s"
        " JOIN document d ON d.id = s.document_id WHERE s.split_id = ? GROUP BY d.label_id) c"
        " LEFT JOIN label l ON l.id = c.id ORDER BY c.n DESC, l.name",
        &select, err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, split_id);
    while ((status = dbt__step(select, err)) == DBT_OK) {
        status = dbt__reserve((void **)labels, &capacity, split->n_labels + 1, sizeof **labels,
                              "an overview", err);
        if (status < 0) break;
        dbt_label_count *count = &(*labels)[split->n_labels];
        count->documents = dbt__column_int(select, 1);
        status = keep_text(memory, select, 0, &count->label, err);
        if (status < 0) break;
        split->n_labels++;
    }
    dbt__finalize(select);
    split->label = *labels;
    return status < 0 ? status : DBT_OK;
}

static dbt_status read_splits(dbt__sql *sql, dbt_info *info, dbt_error *err)
{
    struct dbt__info_memory *memory = info->memory;
    dbt__statement *select = NULL;
    dbt_status status =
        dbt__prepare(sql, "SELECT id, name, documents FROM split ORDER BY id", &select, err);
    while (status == DBT_OK && (status = dbt__step(select, err)) == DBT_OK) {
        status = dbt__reserve((void **)&memory->split, &memory->split_capacity, info->n_splits + 1,
                              sizeof *memory->split, "an overview", err);
        if (status == DBT_OK)
            status = dbt__reserve((void **)&memory->labels, &memory->labels_capacity,
                                  info->n_splits + 1, sizeof *memory->labels, "an overview", err);
        if (status < 0) break;
        dbt_split_info *split = &memory->split[info->n_splits];
        *split = (dbt_split_info){.documents = dbt__column_int(select, 2)};
        memory->labels[info->n_splits] = NULL;
        info->split = memory->split;
        info->n_splits++;
        status = keep_text(memory, select, 1, &split->name, err);
        if (status == DBT_OK)
            status = read_labels(sql, dbt__column_int(select, 0), memory, split,
                                 &memory->labels[info->n_splits - 1], err);
    }
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

static const char runs_query[] =
    "SELECT r.id, r.name,"
    " CASE WHEN r.status = 'running' AND NOT ?1 THEN 'interrupted' ELSE r.status END, (SELECT "
    "count(*) FROM epoch e WHERE e.run_id = r.id),"
    " coalesce(r.best_epoch, 0), b.val_loss, b.val_acc,"
    " " DBT__RUN_BYTES ", t.name, v.name, r.started_at"
    " FROM run r LEFT JOIN epoch b ON b.run_id = r.id AND b.epoch = r.best_epoch"
    " LEFT JOIN split t ON t.id = r.train_split_id"
    " LEFT JOIN split v ON v.id = r.validation_split_id ORDER BY r.id";

static double number_or_nan(dbt__statement *select, int column)
{
    return dbt__column_is_null(select, column) ? (double)NAN : dbt__column_double(select, column);
}

static dbt_status keep_run(dbt__statement *select, struct dbt__info_memory *memory,
                           dbt_run_info *run, dbt_error *err)
{
    const struct {
        int column;
        const char **text;
    } texts[] = {{1, &run->name},
                 {2, &run->status},
                 {8, &run->train_split},
                 {9, &run->validation_split},
                 {10, &run->started_at}};
    *run = (dbt_run_info){
        .id = dbt__column_int(select, 0),
        .epochs = dbt__column_int(select, 3),
        .best_epoch = dbt__column_int(select, 4),
        .val_loss = number_or_nan(select, 5),
        .val_acc = number_or_nan(select, 6),
        .bytes = dbt__column_int(select, 7),
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        dbt_status status = keep_text(memory, select, texts[i].column, texts[i].text, err);
        if (status < 0) return status;
    }
    return DBT_OK;
}

/* A run that says it is running while nobody writes was killed. */
static dbt_status read_runs(dbt__sql *sql, bool has_writer, dbt_info *info, dbt_error *err)
{
    struct dbt__info_memory *memory = info->memory;
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(sql, runs_query, &select, err);
    if (status == DBT_OK) dbt__bind_int(select, 1, has_writer);
    while (status == DBT_OK && (status = dbt__step(select, err)) == DBT_OK) {
        status = dbt__reserve((void **)&memory->run, &memory->run_capacity, info->n_runs + 1,
                              sizeof *memory->run, "an overview", err);
        if (status == DBT_OK) status = keep_run(select, memory, &memory->run[info->n_runs], err);
        if (status < 0) break;
        info->run = memory->run;
        info->n_runs++;
    }
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

static dbt_status keep_evaluation(dbt__statement *select, struct dbt__info_memory *memory,
                                  dbt_evaluation_info *evaluation, dbt_error *err)
{
    *evaluation = (dbt_evaluation_info){
        .run_id = dbt__column_int(select, 0),
        .documents = dbt__column_int(select, 3),
        .loss = number_or_nan(select, 4),
        .acc = number_or_nan(select, 5),
    };
    dbt_status status = keep_text(memory, select, 1, &evaluation->split, err);
    if (status == DBT_OK) status = keep_text(memory, select, 2, &evaluation->weights, err);
    if (status == DBT_OK) status = keep_text(memory, select, 6, &evaluation->evaluated_at, err);
    return status;
}

static dbt_status read_evaluations(dbt__sql *sql, dbt_info *info, dbt_error *err)
{
    struct dbt__info_memory *memory = info->memory;
    dbt__statement *select = NULL;
    dbt_status status =
        dbt__prepare(sql,
                     "SELECT e.run_id, s.name, e.kind, e.documents, e.loss, e.acc, e.evaluated_at"
                     " FROM evaluation e JOIN split s ON s.id = e.split_id"
                     " ORDER BY e.run_id, e.split_id, e.kind",
                     &select, err);
    while (status == DBT_OK && (status = dbt__step(select, err)) == DBT_OK) {
        status =
            dbt__reserve((void **)&memory->evaluation, &memory->evaluation_capacity,
                         info->n_evaluations + 1, sizeof *memory->evaluation, "an overview", err);
        if (status == DBT_OK)
            status = keep_evaluation(select, memory, &memory->evaluation[info->n_evaluations], err);
        if (status < 0) break;
        info->evaluation = memory->evaluation;
        info->n_evaluations++;
    }
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

/* "3.40.1" as 3040001. */
static int version_number(const char *version)
{
    int part[3] = {0}, n = 0;
    for (const char *c = version; *c != '\0' && n < 3; c++) {
        if (*c == '.')
            n++;
        else if (*c >= '0' && *c <= '9')
            part[n] = 10 * part[n] + (*c - '0');
    }
    return 1000000 * part[0] + 1000 * part[1] + part[2];
}

/* sqlite.org: fixed in 3.51.3, 3.50.7 and 3.44.6. */
static bool has_wal_reset_bug(int version)
{
    if (version < 3007000 || version >= 3051003) return false;
    return !(version >= 3050007 && version < 3051000) && !(version >= 3044006 && version < 3045000);
}

dbt_status dbt_info_read(dbt_store *store, dbt_info *info, dbt_error *err)
{
    *info = (dbt_info){0};
    dbt__sql *sql = dbt__store_sql(store);
    info->memory = dbt__alloc(sizeof *info->memory);
    if (info->memory == NULL) return dbt__out_of_memory(err, "an overview");
    info->sqlite_version = dbt__sql_version();
    info->sqlite_has_wal_reset_bug = has_wal_reset_bug(version_number(info->sqlite_version));
    dbt_status status = dbt__sql_int(sql,
                                     "SELECT p.page_count * s.page_size FROM"
                                     " pragma_page_count() p, pragma_page_size() s",
                                     0, &info->file_bytes, err);
    /* count(*) of a whole table is no scan that could be ended when the file is forged. */
    if (status == DBT_OK)
        status = dbt__sql_int(sql, "SELECT count(id) FROM document", 0, &info->documents, err);
    if (status == DBT_OK)
        status = dbt__sql_int(sql, "SELECT count(*) FROM source WHERE status = 'loaded'", 0,
                              &info->sources, err);
    if (status == DBT_OK)
        status = dbt__sql_int(sql,
                              "SELECT CAST(total(documents) AS INTEGER) FROM source"
                              " WHERE status = 'loading'",
                              0, &info->unfinished, err);
    if (status == DBT_OK)
        status = dbt__sql_int(sql,
                              "SELECT count(r.id) FROM reject r JOIN source s ON s.id = r.source_id"
                              " WHERE s.status <> 'refused'", /* whose documents are out, too */
                              0, &info->rejected, err);
    if (status == DBT_OK) status = dbt__block_table_bytes(sql, &info->cache_bytes, err);
    if (status == DBT_OK) status = read_splits(sql, info, err);
    for (size_t i = 0; status == DBT_OK && i < info->n_splits; i++)
        status = count_split_words(sql, &info->memory->split[i], err);
    if (status == DBT_OK) status = read_runs(sql, dbt__store_has_writer(store), info, err);
    if (status == DBT_OK) status = read_evaluations(sql, info, err);
    return status;
}

void dbt_info_release(dbt_info *info)
{
    struct dbt__info_memory *memory = info->memory;
    if (memory != NULL) {
        for (size_t i = 0; i < info->n_splits; i++)
            dbt__free(memory->labels[i]);
        for (size_t i = 0; i < memory->n_strings; i++)
            dbt__free(memory->strings[i]);
        dbt__free(memory->strings);
        dbt__free(memory->labels);
        dbt__free(memory->split);
        dbt__free(memory->run);
        dbt__free(memory->evaluation);
        dbt__free(memory);
    }
    *info = (dbt_info){0};
}

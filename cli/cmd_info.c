/* cmd_info.c: `dbtrain info`: what is in the database: the guide's exploration of the data, and the
 * runs. */
#include <math.h>

#include <dbtrain/train.h>

#include "commands.h"
#include "model_options.h"

typedef struct info_values {
    bool json;
} info_values;

/* dbt_split_info: beyond that many, their number is an estimate. */
#define EXACT_NGRAMS 50000
/* The guide's threshold, from its 450,000 experiments: under it an n-gram model does best. */
static const double guide_ratio = 1500;

/* Labels of a split that are printed; `label_count` lists all. */
enum { MOST_LABELS = 30 };

static void init_values(void *values)
{
    (void)values;
}

static const cli_argument info_arguments[] = {
    {.name = "DATABASE", .help = "the SQLite file to look at"}, {0}};

static const cli_option info_options[] = {{.kind = CLI_HEADING, .help = "General"},
                                          {.name = "json",
                                           .kind = CLI_FLAG,
                                           .field = CLI_FIELD(info_values, json),
                                           .help = "one object of JSON"},
                                          {0}};

static double samples_words_ratio(const dbt_split_info *split)
{
    return split->median_words > 0 ? (double)split->documents / split->median_words : (double)NAN;
}

static const char *guide_model(const dbt_split_info *split)
{
    /* Without words there is no ratio, and nothing for a sequence model either. */
    return samples_words_ratio(split) >= guide_ratio ? "sequence model (sepCNN)"
                                                     : "n-gram model (dbtrain fit)";
}

/* Documents without a label, which are one of the counts. */
static int64_t unlabelled(const dbt_split_info *split)
{
    for (size_t i = 0; i < split->n_labels; i++)
        if (split->label[i].label == NULL) return split->label[i].documents;
    return 0;
}

static size_t count_labels(const dbt_split_info *split)
{
    return split->n_labels - (unlabelled(split) > 0);
}

/* Whether fit takes such a split. */
static bool is_fit_for_training(const dbt_split_info *split)
{
    return count_labels(split) >= 2 && unlabelled(split) == 0 && split->missing == 0 &&
           split->terms > 0;
}

static size_t fit_bytes(const dbt_split_info *split)
{
    dbt_fit_options options;
    dbt_fit_options_init(&options);
    return dbt_fit_bytes(&options, split);
}

static dbt_status print_labels(const dbt_split_info *split, dbt_error *err)
{
    char number[CLI_NUMBER_BYTES];
    cli_table table;
    cli_table_init(&table, "rl");
    for (size_t i = 0; i < split->n_labels && i < MOST_LABELS; i++) {
        cli_table_add(&table, "%s", cli_thousands(number, split->label[i].documents));
        cli_table_add(&table, "%s",
                      split->label[i].label == NULL ? "(no label)" : split->label[i].label);
    }
    dbt_status status = cli_table_print(&table, 4, err);
    cli_table_release(&table);
    if (split->n_labels > MOST_LABELS)
        cli_print("    and %zu more: select * from label_count\n", split->n_labels - MOST_LABELS);
    return status;
}

static dbt_status print_split(const dbt_split_info *split, dbt_error *err)
{
    char number[CLI_NUMBER_BYTES], terms[CLI_NUMBER_BYTES];
    size_t n_labels = count_labels(split);
    cli_print("\nsplit '");
    cli_print_name(split->name);
    cli_print("': %s %s, %zu %s", cli_thousands(number, split->documents),
              cli_plural(split->documents, "document", "documents"), n_labels,
              cli_plural(n_labels, "label", "labels"));
    if (unlabelled(split) > 0)
        cli_print(", %s without a label", cli_thousands(number, unlabelled(split)));
    cli_print("\n");
    dbt_status status = print_labels(split, err);
    if (status < 0 || split->documents == 0) return status;
    cli_print("  words a document: median %.1f, mean %.1f\n", split->median_words,
              split->mean_words);
    const char *about = split->ngrams > EXACT_NGRAMS ? "about " : "";
    cli_print("  n-grams of one and two words: %s%s, of them %s%s in two documents or more\n",
              about, cli_thousands(number, (int64_t)split->ngrams), about,
              cli_thousands(terms, (int64_t)split->terms));
    cli_print("  samples/words ratio: %.1f: the guide picks the %s\n", samples_words_ratio(split),
              guide_model(split));
    if (is_fit_for_training(split))
        cli_print("  a fit on it takes about %s of memory\n",
                  cli_bytes(number, (int64_t)fit_bytes(split)));
    return DBT_OK;
}

/* NaN: there is none. */
static void add_number(cli_table *table, double number)
{
    if (isnan(number))
        cli_table_add(table, "-");
    else
        cli_table_add(table, "%.4f", number);
}

static dbt_status print_runs(const dbt_info *info, dbt_error *err)
{
    static const char *const heads[] = {"run",        "name",     "status",  "epochs",
                                        "best",       "val_loss", "val_acc", "train",
                                        "validation", "size",     "started"};
    char number[CLI_NUMBER_BYTES];
    cli_table table;
    cli_table_init(&table, "rllrrrrllrl");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        cli_table_add(&table, "%s", heads[i]);
    for (size_t i = 0; i < info->n_runs; i++) {
        const dbt_run_info *run = &info->run[i];
        cli_table_add(&table, "%lld", (long long)run->id);
        cli_table_add(&table, "%s", run->name == NULL ? "-" : run->name);
        cli_table_add(&table, "%s", run->status);
        cli_table_add(&table, "%lld", (long long)run->epochs);
        if (run->best_epoch > 0)
            cli_table_add(&table, "%lld", (long long)run->best_epoch);
        else
            cli_table_add(&table, "-");
        add_number(&table, run->val_loss);
        add_number(&table, run->val_acc);
        cli_table_add(&table, "%s", run->train_split == NULL ? "(gone)" : run->train_split);
        cli_table_add(&table, "%s",
                      run->validation_split == NULL ? "(gone)" : run->validation_split);
        cli_table_add(&table, "%s", cli_bytes(number, run->bytes));
        cli_table_add(&table, "%s", run->started_at);
    }
    cli_print("\n");
    dbt_status status = cli_table_print(&table, 0, err);
    cli_table_release(&table);
    return status;
}

static dbt_status print_evaluations(const dbt_info *info, dbt_error *err)
{
    static const char *const heads[] = {"run",  "evaluated on", "weights", "documents",
                                        "loss", "acc",          "when"};
    char number[CLI_NUMBER_BYTES];
    cli_table table;
    if (info->n_evaluations == 0) return DBT_OK;
    cli_table_init(&table, "rllrrrl");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        cli_table_add(&table, "%s", heads[i]);
    for (size_t i = 0; i < info->n_evaluations; i++) {
        const dbt_evaluation_info *evaluation = &info->evaluation[i];
        cli_table_add(&table, "%lld", (long long)evaluation->run_id);
        cli_table_add(&table, "%s", evaluation->split);
        cli_table_add(&table, "%s", evaluation->weights);
        cli_table_add(&table, "%s", cli_thousands(number, evaluation->documents));
        add_number(&table, evaluation->loss);
        add_number(&table, evaluation->acc);
        cli_table_add(&table, "%s", evaluation->evaluated_at);
    }
    cli_print("\n");
    dbt_status status = cli_table_print(&table, 0, err);
    cli_table_release(&table);
    return status;
}

static dbt_status print_info(const char *path, const dbt_info *info, dbt_error *err)
{
    char number[CLI_NUMBER_BYTES], bytes[CLI_NUMBER_BYTES];
    cli_print("%s: %s, %s %s from %lld %s, %lld %s refused", path,
              cli_bytes(bytes, info->file_bytes), cli_thousands(number, info->documents),
              cli_plural(info->documents, "document", "documents"), (long long)info->sources,
              cli_plural(info->sources, "source", "sources"), (long long)info->rejected,
              cli_plural(info->rejected, "row", "rows"));
    if (info->unfinished > 0)
        cli_print("; %s of the documents are of an ingest that has not ended",
                  cli_thousands(number, info->unfinished));
    cli_print("\n");
    for (size_t i = 0; i < info->n_splits; i++) {
        dbt_status status = print_split(&info->split[i], err);
        if (status < 0) return status;
    }
    if (info->cache_bytes > 0)
        cli_print("\nvectorized rows kept by fit --cache: %s\n",
                  cli_bytes(bytes, info->cache_bytes));
    if (info->n_runs == 0) {
        cli_print("\nno run yet: dbtrain fit makes one\n");
        return DBT_OK;
    }
    dbt_status status = print_runs(info, err);
    return status < 0 ? status : print_evaluations(info, err);
}

static json_t *split_json(const dbt_split_info *split)
{
    json_t *labels = json_array();
    for (size_t i = 0; i < split->n_labels; i++)
        (void)json_array_append_new(
            labels, json_pack("{s:o, s:I}", "label", cli_json_text(split->label[i].label),
                              "documents", (json_int_t)split->label[i].documents));
    json_t *bytes =
        is_fit_for_training(split) ? json_integer((json_int_t)fit_bytes(split)) : json_null();
    return json_pack("{s:o, s:I, s:I, s:o, s:o, s:I, s:I, s:o, s:s, s:o, s:o}", "name",
                     cli_json_text(split->name), "documents", (json_int_t)split->documents,
                     "missing", (json_int_t)split->missing, "median_words",
                     cli_json_number(split->median_words), "mean_words",
                     cli_json_number(split->mean_words), "ngrams", (json_int_t)split->ngrams,
                     "terms", (json_int_t)split->terms, "samples_words_ratio",
                     cli_json_number(samples_words_ratio(split)), "guide_model", guide_model(split),
                     "fit_bytes", bytes, "labels", labels);
}

static json_t *run_json(const dbt_run_info *run)
{
    return json_pack(
        "{s:I, s:o, s:o, s:I, s:I, s:o, s:o, s:I, s:o, s:o, s:o}", "run", (json_int_t)run->id,
        "name", cli_json_text(run->name), "status", cli_json_text(run->status), "epochs",
        (json_int_t)run->epochs, "best_epoch", (json_int_t)run->best_epoch, "val_loss",
        cli_json_number(run->val_loss), "val_acc", cli_json_number(run->val_acc), "bytes",
        (json_int_t)run->bytes, "train", cli_json_text(run->train_split), "validation",
        cli_json_text(run->validation_split), "started_at", cli_json_text(run->started_at));
}

static json_t *evaluation_json(const dbt_evaluation_info *evaluation)
{
    return json_pack("{s:I, s:o, s:o, s:I, s:o, s:o, s:o}", "run", (json_int_t)evaluation->run_id,
                     "split", cli_json_text(evaluation->split), "weights",
                     cli_json_text(evaluation->weights), "documents",
                     (json_int_t)evaluation->documents, "loss", cli_json_number(evaluation->loss),
                     "acc", cli_json_number(evaluation->acc), "evaluated_at",
                     cli_json_text(evaluation->evaluated_at));
}

static dbt_status print_info_json(const char *path, const dbt_info *info, dbt_error *err)
{
    json_t *splits = json_array();
    json_t *runs = json_array();
    json_t *evaluations = json_array();
    for (size_t i = 0; i < info->n_splits; i++)
        (void)json_array_append_new(splits, split_json(&info->split[i]));
    for (size_t i = 0; i < info->n_runs; i++)
        (void)json_array_append_new(runs, run_json(&info->run[i]));
    for (size_t i = 0; i < info->n_evaluations; i++)
        (void)json_array_append_new(evaluations, evaluation_json(&info->evaluation[i]));
    return cli_print_json(
        json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:b, s:o, s:o, s:o}", "database",
                  cli_json_text(path), "bytes", (json_int_t)info->file_bytes, "documents",
                  (json_int_t)info->documents, "sources", (json_int_t)info->sources, "rejected",
                  (json_int_t)info->rejected, "unfinished", (json_int_t)info->unfinished,
                  "cache_bytes", (json_int_t)info->cache_bytes, "sqlite_version",
                  info->sqlite_version, "sqlite_has_wal_reset_bug",
                  (int)info->sqlite_has_wal_reset_bug, "splits", splits, "runs", runs,
                  "evaluations", evaluations),
        err);
}

static void note_gaps(const dbt_info *info)
{
    for (size_t i = 0; i < info->n_splits; i++)
        if (info->split[i].missing > 0)
            cli_note("split '%s' lacks %lld %s that %s deleted: it cannot be used until the gap is "
                     "closed as schema/README.md shows",
                     info->split[i].name, (long long)info->split[i].missing,
                     cli_plural(info->split[i].missing, "document", "documents"),
                     cli_plural(info->split[i].missing, "was", "were"));
}

static dbt_status run_info(const cli_input *input, dbt_error *err)
{
    const info_values *v = input->values;
    dbt_store *store = NULL;
    dbt_info info = {0};
    dbt_status status = cli_store_open(input->argument[0], DBT_STORE_READ, &store, err);
    if (status < 0) return status;
    status = dbt_info_read(store, &info, err);
    if (status == DBT_OK)
        status = v->json ? print_info_json(input->argument[0], &info, err)
                         : print_info(input->argument[0], &info, err);
    if (status == DBT_OK) note_gaps(&info);
    if (status == DBT_OK && info.sqlite_has_wal_reset_bug)
        cli_note("SQLite %s can lose a commit when two programs write or checkpoint the same file "
                 "at once (fixed in 3.51.3): open it with 'sqlite3 -readonly' while dbtrain "
                 "writes",
                 info.sqlite_version);
    dbt_info_release(&info);
    cli_store_close(store);
    return status;
}

const cli_command cli_info = {
    .name = "info",
    .summary = "tell what is in the database",
    .description = "Prints the splits with their labels, the words of a document and the "
                   "samples/words ratio, by which the guide chooses a model, the size of the "
                   "rows that fit --cache keeps, and the runs with their sizes.",
    .examples = "  dbtrain info imdb.db\n",
    .arguments = info_arguments,
    .options = info_options,
    .values_size = sizeof(info_values),
    .init = init_values,
    .run = run_info};

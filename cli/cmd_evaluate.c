/* cmd_evaluate.c: `dbtrain evaluate`: how good a run is on a split. */
#include <stdio.h>
#include <string.h>

#include <dbtrain/train.h>

#include "commands.h"
#include "model_options.h"

typedef struct evaluate_values {
    cli_model_values model;
    const char *split;
    size_t threads;
    bool json;
} evaluate_values;

/* A confusion matrix of more labels than the first is for a machine; of more than the second, of
 * which almost all cells are 0, for the view `confusion` alone. */
enum { WIDEST_CONFUSION = 25, WIDEST_JSON = 1000 };

static void init_values(void *values)
{
    evaluate_values *v = values;
    v->split = "test";
}

#define FIELD(member) CLI_FIELD(evaluate_values, member)

static const cli_argument evaluate_arguments[] = {
    {.name = "DATABASE", .help = "the SQLite file that holds the run and the split"}, {0}};

static const cli_option evaluate_options[] = {
    {.kind = CLI_HEADING, .help = "What to evaluate"},
    {.name = "split",
     .kind = CLI_STRING,
     .field = FIELD(split),
     .argument = "SPLIT",
     .help = "split to predict and compare"},
    CLI_MODEL_OPTIONS(evaluate_values),
    {.kind = CLI_HEADING, .help = "General"},
    {.name = "threads",
     .kind = CLI_COUNT,
     .field = FIELD(threads),
     .argument = "N",
     .minimum = 1,
     .maximum = 256,
     .help = "threads to use",
     .shown = "usable cores"},
    {.name = "json", .kind = CLI_FLAG, .field = FIELD(json), .help = "one object of JSON"},
    {0}};

static void add_average(cli_table *table, const char *name, double precision, double recall,
                        double f1, int64_t support)
{
    char number[CLI_NUMBER_BYTES];
    cli_table_add(table, "%s", name);
    cli_table_add(table, "%.4f", precision);
    cli_table_add(table, "%.4f", recall);
    cli_table_add(table, "%.4f", f1);
    cli_table_add(table, "%s", cli_thousands(number, support));
}

/* The averages, as those of scikit-learn's classification_report, are over the labels that are a
 * document's, or are predicted: others would be rows that do not belong to them. */
static bool is_reported(const dbt_class_row *row)
{
    return row->support + row->predicted > 0;
}

/* Laid out as scikit-learn's classification_report. */
static dbt_status print_class_report(const dbt_report *report, dbt_error *err)
{
    cli_table table;
    cli_table_init(&table, "lrrrr");
    cli_table_add(&table, "label");
    cli_table_add(&table, "precision");
    cli_table_add(&table, "recall");
    cli_table_add(&table, "f1");
    cli_table_add(&table, "support");
    for (size_t i = 0; i < report->n_classes; i++) {
        const dbt_class_row *row = &report->class_row[i];
        if (!is_reported(row)) continue;
        add_average(&table, row->label, row->precision, row->recall, row->f1, row->support);
    }
    add_average(&table, "macro avg", report->macro_precision, report->macro_recall,
                report->macro_f1, report->documents);
    add_average(&table, "weighted avg", report->weighted_precision, report->weighted_recall,
                report->weighted_f1, report->documents);
    dbt_status status = cli_table_print(&table, 0, err);
    cli_table_release(&table);
    return status;
}

static dbt_status print_confusion(const dbt_report *report, dbt_error *err)
{
    char align[WIDEST_CONFUSION + 2] = {'l', 0};
    char number[CLI_NUMBER_BYTES];
    if (report->n_outputs > WIDEST_CONFUSION) {
        cli_print("\nconfusion matrix: %zu labels are too many to print: see the view "
                  "`confusion`\n",
                  report->n_outputs);
        return DBT_OK;
    }
    for (size_t j = 0; j < report->n_outputs; j++)
        align[j + 1] = 'r';
    cli_print("\nconfusion matrix (rows: actual, columns: predicted)\n");
    cli_table table;
    cli_table_init(&table, align);
    /* Columns are numbered, as labels are often longer than their counts. */
    cli_table_add(&table, "%s", "");
    for (size_t j = 0; j < report->n_outputs; j++)
        cli_table_add(&table, "%zu", j);
    for (size_t i = 0; i < report->n_classes; i++) {
        if (i < report->n_outputs)
            cli_table_add(&table, "%zu %s", i, report->class_row[i].label);
        else
            cli_table_add(&table, "- %s", report->class_row[i].label);
        for (size_t j = 0; j < report->n_outputs; j++)
            cli_table_add(&table, "%s", cli_thousands(number, dbt_report_documents(report, i, j)));
    }
    dbt_status status = cli_table_print(&table, 0, err);
    cli_table_release(&table);
    return status;
}

static dbt_status print_report(const char *split, const dbt_report *report, dbt_error *err)
{
    char number[CLI_NUMBER_BYTES];
    cli_print("split '");
    cli_print_name(split);
    cli_print("': %s documents - loss: %.4f - acc: %.4f\n\n",
              cli_thousands(number, report->documents), report->loss, report->acc);
    dbt_status status = print_class_report(report, err);
    return status == DBT_OK ? print_confusion(report, err) : status;
}

static json_t *class_rows_json(const dbt_report *report)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < report->n_classes; i++) {
        const dbt_class_row *row = &report->class_row[i];
        if (!is_reported(row)) continue;
        json_t *object =
            json_pack("{s:o, s:o, s:o, s:o, s:I}", "label", cli_json_text(row->label), "precision",
                      cli_json_number(row->precision), "recall", cli_json_number(row->recall), "f1",
                      cli_json_number(row->f1), "support", (json_int_t)row->support);
        if (json_array_append_new(rows, object) != 0) {
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}

static json_t *average_json(double precision, double recall, double f1, int64_t support)
{
    return json_pack("{s:o, s:o, s:o, s:I}", "precision", cli_json_number(precision), "recall",
                     cli_json_number(recall), "f1", cli_json_number(f1), "support",
                     (json_int_t)support);
}

static json_t *confusion_row_json(const dbt_report *report, size_t actual)
{
    json_t *row = json_array();
    for (size_t j = 0; j < report->n_outputs; j++)
        if (is_reported(&report->class_row[j]))
            (void)json_array_append_new(
                row, json_integer((json_int_t)dbt_report_documents(report, actual, j)));
    return row;
}

/* Of the labels that class_rows_json lists: the other rows and columns are all 0. */
static json_t *confusion_json(const dbt_report *report)
{
    size_t n = 0;
    for (size_t i = 0; i < report->n_classes; i++)
        n += is_reported(&report->class_row[i]);
    if (n > WIDEST_JSON) return json_null();
    json_t *rows = json_array();
    for (size_t i = 0; i < report->n_classes; i++) {
        if (!is_reported(&report->class_row[i])) continue;
        json_t *row = confusion_row_json(report, i);
        if (json_array_append_new(rows, row) != 0) {
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}

static dbt_status print_report_json(const dbt_model_info *info, const char *split,
                                    const dbt_report *report, dbt_error *err)
{
    return cli_print_json(
        json_pack(
            "{s:I, s:s, s:o, s:I, s:I, s:o, s:o, s:b, s:b, s:b, s:b, s:b, s:o, s:o, s:o, s:o}",
            "run", (json_int_t)info->run_id, "weights",
            info->weights == DBT_WEIGHTS_BEST ? "best" : "last", "split", cli_json_text(split),
            "documents", (json_int_t)report->documents, "unlabelled",
            (json_int_t)report->unlabelled, "loss", cli_json_number(report->loss), "acc",
            cli_json_number(report->acc), "trained_on", (int)report->is_train, "stopped_training",
            (int)report->is_validation, "recut", (int)report->is_recut, "changed",
            (int)(report->changed_since != 0), "stored", (int)report->stored, "labels",
            class_rows_json(report), "macro avg",
            average_json(report->macro_precision, report->macro_recall, report->macro_f1,
                         report->documents),
            "weighted avg",
            average_json(report->weighted_precision, report->weighted_recall, report->weighted_f1,
                         report->documents),
            "confusion", confusion_json(report)),
        err);
}

/* What a note has room for, of labels that may be of any number and length. */
enum { NAMED_LABELS = 5, NAMED_BYTES = 60 };

/* The labels that the model does not know, the first few of them quoted: a blank at the end of one,
 * or its case, may be all that tells it from one that is known. */
static void list_unknown(const dbt_report *report, char *list, size_t bytes)
{
    size_t n = report->n_classes - report->n_outputs, used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < n && i < NAMED_LABELS; i++) {
        const char *label = report->class_row[report->n_outputs + i].label;
        size_t length = strlen(label), shown = length;
        if (length > NAMED_BYTES) shown = NAMED_BYTES;
        while (shown < length && shown > 0 && ((unsigned char)label[shown] & 0xc0) == 0x80)
            shown--; /* not within a character */
        used += (size_t)snprintf(list + used, bytes - used, "%s'%.*s%s'", i == 0 ? "" : ", ",
                                 (int)shown, label, shown < length ? "..." : "");
    }
    if (n > NAMED_LABELS)
        (void)snprintf(list + used, bytes - used, " and %zu more", n - NAMED_LABELS);
}

static void tell_unknown(const char *split, const dbt_report *report)
{
    char list[NAMED_LABELS * (NAMED_BYTES + 8) + 40];
    size_t n = report->n_classes - report->n_outputs;
    if (n == 0) return;
    list_unknown(report, list, sizeof list);
    cli_note("the training split lacks %zu %s of '%s': %s; such documents count as wrong", n,
             cli_plural(n, "label", "labels"), split, list);
}

/* What a reader must know to take the figures for what they are. */
static void qualify(const dbt_model_info *info, const char *split, const dbt_report *report)
{
    if (report->is_train)
        cli_note("run %lld %s trained on documents of '%s'%s: these figures say nothing about "
                 "unseen data",
                 (long long)info->run_id, report->is_recut ? "may have been" : "was", split,
                 report->is_recut ? ", whose parts a later fit has cut anew" : "");
    else if (report->is_validation)
        cli_note("documents of '%s' %sstopped the training of run %lld: these figures are better "
                 "than those of unseen data",
                 split, report->is_recut ? "may have " : "", (long long)info->run_id);
    tell_unknown(split, report);
    if (report->changed_since != 0)
        cli_note("documents, labels or texts of '%s' have changed since run %lld was evaluated on "
                 "it: its figures of then do not compare",
                 split, (long long)report->changed_since);
    if (report->unlabelled > 0)
        cli_note("%lld %s of '%s' %s not counted", (long long)report->unlabelled,
                 cli_plural(report->unlabelled, "document", "documents"), split,
                 cli_plural(report->unlabelled, "has no label: it is predicted,",
                            "have no label: they are predicted,"));
    if (!report->stored) cli_note("the database, or its folder, is read-only: nothing was stored");
}

/* What can only be read still serves to look at. */
static dbt_status open_store(const char *path, dbt_store **store, dbt_error *err)
{
    dbt_store_mode mode = dbt_store_may_write(path) ? DBT_STORE_WRITE : DBT_STORE_READ;
    return cli_store_open(path, mode, store, err);
}

static dbt_status run_evaluate(const cli_input *input, dbt_error *err)
{
    const evaluate_values *v = input->values;
    const dbt_observer observer = {.note = cli_note_line, .stop = cli_stop};
    dbt_store *store = NULL;
    dbt_model *model = NULL;
    dbt_report report = {0};
    dbt_status status = open_store(input->argument[0], &store, err);
    if (status == DBT_OK) status = cli_open_model(store, &v->model, &model, err);
    if (status == DBT_OK)
        status = dbt_evaluate(store, model, v->split, v->threads, &observer, &report, err);
    if (status == DBT_OK && report.documents == 0)
        status = cli_fail(err, DBT_EDATA,
                          "split '%s' has no document with a label%s: there is nothing to "
                          "compare predictions with",
                          v->split, report.stored ? " (its predictions are stored)" : "");
    if (status == DBT_OK) {
        dbt_model_info info = dbt_model_get_info(model);
        qualify(&info, v->split, &report);
        status = v->json ? print_report_json(&info, v->split, &report, err)
                         : print_report(v->split, &report, err);
    }
    dbt_report_release(&report);
    dbt_model_close(model);
    cli_store_close(store);
    return status;
}

const cli_command cli_evaluate = {
    .name = "evaluate",
    .summary = "tell how good a run is on a split",
    .description =
        "Predicts every document of a split with the weights of a run and prints loss, accuracy, "
        "precision, recall and F1 of each label, and the confusion matrix. The evaluation and the "
        "predictions are stored in DATABASE: see the views confusion, class_report and mistake.\n"
        "In JSON, trained_on and stopped_training say whether the run was trained on documents of "
        "the split, or stopped by them; where recut is true it only may have been, as a later fit "
        "has cut its parts anew. labels are those that are a document's or are predicted. They "
        "name the rows of confusion and, without those at the end that training lacks, its "
        "columns; it is null where there are more than 1,000.",
    .examples = "  dbtrain evaluate imdb.db\n"
                "  dbtrain evaluate imdb.db --split test --run 3 --json\n",
    .arguments = evaluate_arguments,
    .options = evaluate_options,
    .values_size = sizeof(evaluate_values),
    .init = init_values,
    .run = run_evaluate};

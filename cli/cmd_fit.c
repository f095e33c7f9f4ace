/* cmd_fit.c: `dbtrain fit`: trains a network on a split. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <dbtrain/train.h>

#include "commands.h"

enum { VERBOSE_UNSET = -1 };

typedef struct ngram_range {
    uint32_t minimum;
    uint32_t maximum;
} ngram_range;

typedef struct fit_values {
    dbt_fit_options options;
    ngram_range ngrams;
    int64_t hash_bits;
    int optimizer;
    int verbose;
    bool json;
    const char *resume; /* the run, when --resume names one */
} fit_values;

/* What the observer needs to print. */
typedef struct fit_printer {
    int verbose;
    bool json;
    dbt_status status; /* of printing */
    dbt_error err;
} fit_printer;

static const char *const optimizers[] = {
#define OPTIMIZER_TEXT(name, text) text,
    DBT_OPTIMIZER_LIST(OPTIMIZER_TEXT)
#undef OPTIMIZER_TEXT
        NULL};

static const char *const verbosities[] = {"0", "1", "2", NULL};

/* Takes options over, for the command line to change. */
static void take_options(fit_values *v, const dbt_fit_options *options)
{
    v->options = *options;
    v->ngrams.minimum = options->vectorizer.ngram_min;
    v->ngrams.maximum = options->vectorizer.ngram_max;
    v->hash_bits = options->vectorizer.hash_bits;
    v->optimizer = (int)options->network.optimizer;
}

/* The options as the library takes them. */
static dbt_fit_options give_options(const fit_values *v)
{
    dbt_fit_options options = v->options;
    options.vectorizer.ngram_min = v->ngrams.minimum;
    options.vectorizer.ngram_max = v->ngrams.maximum;
    options.vectorizer.hash_bits = (uint32_t)v->hash_bits;
    options.network.optimizer = (dbt_optimizer)v->optimizer;
    return options;
}

static void init_values(void *values)
{
    fit_values *v = values;
    dbt_fit_options options;
    dbt_fit_options_init(&options);
    take_options(v, &options);
    v->verbose = VERBOSE_UNSET;
}

/* "1,2", each a digit; the library checks the range. */
static bool parse_ngram_range(const char *text, void *value)
{
    ngram_range *range = value;
    if (text[0] < '1' || text[0] > '8' || text[1] != ',') return false;
    if (text[2] < text[0] || text[2] > '8' || text[3] != '\0') return false;
    range->minimum = (uint32_t)(text[0] - '0');
    range->maximum = (uint32_t)(text[2] - '0');
    return true;
}

#define FIELD(member) CLI_FIELD(fit_values, member)
#define OPTION(member) FIELD(options.member)
#define NETWORK(member) FIELD(options.network.member)
#define VECTORIZER(member) FIELD(options.vectorizer.member)

static const cli_argument fit_arguments[] = {
    {.name = "DATABASE", .help = "the SQLite file that holds the documents"}, {0}};

static const cli_option fit_options[] = {
    {.kind = CLI_HEADING, .help = "What to learn from"},
    {.name = "train",
     .kind = CLI_STRING,
     .field = OPTION(train),
     .argument = "SPLIT",
     .help = "split to train on"},
    {.name = "validation",
     .kind = CLI_STRING,
     .field = OPTION(validation),
     .argument = "SPLIT",
     .help = "split that decides when to stop",
     .shown = "cut off the training split"},
    {.name = "validation-split",
     .kind = CLI_NUMBER,
     .field = OPTION(validation_split),
     .argument = "SHARE",
     .high = 1,
     .bound = CLI_BETWEEN,
     .help = "share of the training split that is held out instead"},
    {.name = "class-weight",
     .kind = CLI_STRING,
     .field = OPTION(class_weight),
     .argument = "WEIGHTS",
     .help = "balanced, or label=weight,... (labels may hold commas)",
     .shown = "1 for each"},
    {.kind = CLI_HEADING, .help = "Features"},
    {.name = "ngram-range",
     .kind = CLI_CUSTOM,
     .field = FIELD(ngrams),
     .argument = "MIN,MAX",
     .parse = parse_ngram_range,
     .expected = "two numbers from 1 to 8, such as 1,2",
     .help = "lengths of the n-grams of words",
     .shown = "1,2"},
    {.name = "min-df",
     .kind = CLI_INTEGER,
     .field = VECTORIZER(min_df),
     .argument = "N",
     .minimum = 1,
     .help = "documents that a term must at least be in"},
    {.name = "top-k",
     .kind = CLI_INTEGER,
     .field = VECTORIZER(top_k),
     .argument = "K",
     .minimum = 0,
     .maximum = INT32_MAX,
     .help = "terms kept, by their F value (f_classif); 0: all"},
    {.name = "hash-bits",
     .kind = CLI_INTEGER,
     .field = FIELD(hash_bits),
     .argument = "B",
     .minimum = 1,
     .maximum = 24,
     .help = "hash all n-grams into 2^B columns instead of counting a vocabulary: no pass over the "
             "texts for it, but no terms to look at, no idf, no selection by F, n-grams that share "
             "a column are taken for one, and the network has 2^B inputs",
     .shown = "off"},
    {.kind = CLI_HEADING, .help = "Network"},
    {.name = "layers",
     .kind = CLI_COUNT,
     .field = NETWORK(layers),
     .argument = "N",
     .minimum = 1,
     .maximum = 64,
     .help = "dense layers; 2 means one hidden layer"},
    {.name = "units",
     .kind = CLI_COUNT,
     .field = NETWORK(units),
     .argument = "N",
     .minimum = 1,
     .maximum = 65536,
     .help = "units of each hidden layer"},
    {.name = "dropout",
     .kind = CLI_NUMBER,
     .field = NETWORK(dropout),
     .argument = "RATE",
     .high = 1,
     .bound = CLI_BELOW_HIGH,
     .help = "of the input and of each hidden layer"},
    {.name = "l2",
     .kind = CLI_NUMBER,
     .field = NETWORK(l2),
     .argument = "FACTOR",
     .help = "penalty on squared weights; every step then sweeps all weights, which is slow"},
    {.name = "label-smoothing",
     .kind = CLI_NUMBER,
     .field = NETWORK(label_smoothing),
     .argument = "SHARE",
     .high = 1,
     .bound = CLI_BELOW_HIGH,
     .help = "probability taken from the label and spread over all"},
    {.kind = CLI_HEADING, .help = "Training"},
    {.name = "batch-size",
     .kind = CLI_INTEGER,
     .field = OPTION(batch_size),
     .argument = "ROWS",
     .minimum = 1,
     .maximum = 1 << 20,
     .help = "rows a page, and a step"},
    {.name = "epochs",
     .kind = CLI_INTEGER,
     .field = OPTION(epochs),
     .argument = "N",
     .minimum = 1,
     .maximum = 1000000,
     .help = "the most there will be"},
    {.name = "patience",
     .kind = CLI_INTEGER,
     .field = OPTION(patience),
     .argument = "N",
     .minimum = 0,
     .maximum = 1000000,
     .help = "epochs without a lower val_loss after which training stops"},
    {.name = "steps-per-epoch",
     .kind = CLI_INTEGER,
     .field = OPTION(steps_per_epoch),
     .argument = "N",
     .minimum = 1,
     .maximum = INT32_MAX,
     .help = "steps after which an epoch ends",
     .shown = "rows / batch size"},
    {.name = "validation-steps",
     .kind = CLI_INTEGER,
     .field = OPTION(validation_steps),
     .argument = "N",
     .minimum = 1,
     .maximum = INT32_MAX,
     .help = "batches of the validation split to use",
     .shown = "all"},
    {.name = "shuffle",
     .kind = CLI_SWITCH,
     .field = OPTION(shuffle),
     .help = "a new order of rows for each epoch"},
    {.name = "optimizer",
     .kind = CLI_CHOICE,
     .field = FIELD(optimizer),
     .argument = "NAME",
     .choices = optimizers,
     .help = "adam, adamw, lazy-adam (moves only the features of a batch), sgd or adagrad"},
    {.name = "learning-rate",
     .kind = CLI_NUMBER,
     .field = NETWORK(learning_rate),
     .argument = "RATE",
     .bound = CLI_ABOVE_LOW,
     .help = "of the optimizer"},
    {.name = "momentum",
     .kind = CLI_NUMBER,
     .field = NETWORK(momentum),
     .argument = "SHARE",
     .high = 1,
     .bound = CLI_BELOW_HIGH,
     .help = "of sgd"},
    {.name = "nesterov",
     .kind = CLI_FLAG,
     .field = NETWORK(nesterov),
     .help = "Nesterov's momentum, of sgd"},
    {.name = "weight-decay",
     .kind = CLI_NUMBER,
     .field = NETWORK(weight_decay),
     .argument = "RATE",
     .help = "of adamw"},
    {.name = "seed",
     .kind = CLI_INTEGER,
     .field = OPTION(seed),
     .argument = "N",
     .minimum = 0,
     .help = "the same seed, data and settings give the same bits"},
    {.kind = CLI_HEADING, .help = "Going on"},
    {.name = "resume",
     .kind = CLI_OPTIONAL,
     .field = FIELD(resume),
     .argument = "RUN",
     .help = "go on with a run that was interrupted or killed; without RUN with the newest such, "
             "or begin the first",
     .shown = "a new run"},
    {.name = "checkpoint-every",
     .kind = CLI_NUMBER,
     .field = OPTION(checkpoint_every),
     .argument = "SECONDS",
     .help = "seconds of work that a kill or a power cut may at most cost; 0: as much as an epoch, "
             "or as several in a second"},
    {.kind = CLI_HEADING, .help = "Machine"},
    {.name = "threads",
     .kind = CLI_COUNT,
     .field = OPTION(threads),
     .argument = "N",
     .minimum = 1,
     .maximum = 256,
     .help = "threads to use; they do not change the result",
     .shown = "usable cores"},
    {.name = "memory",
     .kind = CLI_SIZE,
     .field = OPTION(memory),
     .argument = "SIZE",
     .minimum = 64 << 20,
     .help = "the most that the whole of it may take; where less is enough it takes less, and with "
             "less it reads the documents more often"},
    {.name = "cache",
     .kind = CLI_FLAG,
     .field = OPTION(cache),
     .help = "keep the vectorized rows in DATABASE, for this run and later ones with --cache; they "
             "do not change the result, and `dbtrain rm DATABASE --cache` drops them"},
    {.kind = CLI_HEADING, .help = "Output"},
    {.name = "name",
     .kind = CLI_STRING,
     .field = OPTION(name),
     .argument = "NAME",
     .help = "a name for the run, to be used instead of its number"},
    {.name = "verbose",
     .kind = CLI_CHOICE,
     .field = FIELD(verbose),
     .argument = "0|1|2",
     .choices = verbosities,
     .help = "0: the result alone; 1: each epoch, too, and a progress line; 2: each epoch, too",
     .shown = "1 on a terminal, else 2"},
    {.name = "json",
     .kind = CLI_FLAG,
     .field = FIELD(json),
     .help = "one object of JSON an epoch (none with --verbose 0) and one for the result"},
    {0}};

static void print_note(void *context, const char *line)
{
    const fit_printer *printer = context;
    if (printer->verbose > 0) cli_note("%s", line);
}

static void show_step(void *context, int64_t epoch, int64_t step, int64_t steps, double loss,
                      double acc)
{
    const fit_printer *printer = context;
    if (printer->verbose != 1) return;
    enum { WIDTH = 30 };
    char bar[WIDTH + 1];
    size_t done = (size_t)(step * WIDTH / steps);
    memset(bar, '=', done);
    memset(bar + done, '.', WIDTH - done);
    bar[WIDTH] = '\0';
    cli_progress("epoch %lld: %lld/%lld [%s] - loss: %.4f - acc: %.4f", (long long)epoch,
                 (long long)step, (long long)steps, bar, loss, acc);
}

/* A printing failure is kept: training must not stop because a reader went away. */
static void keep_status(fit_printer *printer, dbt_status status)
{
    if (printer->status == DBT_OK) printer->status = status;
}

static void print_epoch_json(fit_printer *printer, const dbt_epoch *epoch)
{
    keep_status(
        printer,
        cli_print_json(
            json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:b}", "run",
                      (json_int_t)epoch->run_id, "epoch", (json_int_t)epoch->epoch, "loss",
                      cli_json_number(epoch->loss), "acc", cli_json_number(epoch->acc), "val_loss",
                      cli_json_number(epoch->val_loss), "val_acc", cli_json_number(epoch->val_acc),
                      "learning_rate", cli_json_number(epoch->learning_rate), "documents",
                      (json_int_t)epoch->documents, "seconds", cli_json_number(epoch->seconds),
                      "best", (int)epoch->best),
            &printer->err));
}

/* As Keras with verbose=2. */
static void print_epoch(void *context, const dbt_epoch *epoch)
{
    fit_printer *printer = context;
    if (printer->verbose == 0) return;
    if (printer->json) {
        print_epoch_json(printer, epoch);
    } else {
        cli_print("Epoch %lld/%lld\n", (long long)epoch->epoch, (long long)epoch->epochs);
        cli_print("%lld/%lld - %.0fs - loss: %.4f - acc: %.4f - val_loss: %.4f - val_acc: %.4f\n",
                  (long long)epoch->steps, (long long)epoch->steps, epoch->seconds, epoch->loss,
                  epoch->acc, epoch->val_loss, epoch->val_acc);
    }
    keep_status(printer, cli_flush(&printer->err));
}

/* The guide validates on its test set; whoever does so should know what the figure then is. */
static void note_test(const fit_values *v)
{
    const char *name = v->options.validation;
    size_t length = name == NULL ? 0 : strlen(name);
    if (length < 4 || strcmp(name + length - 4, "test") != 0) return;
    if (length > 4 && strchr("/-_. ", name[length - 5]) == NULL) return; /* latest */
    cli_note("'%s' decides when to stop, so its figures are not those of unseen data", name);
}

static dbt_status print_result(const fit_values *v, const dbt_fit_result *result, dbt_error *err)
{
    if (v->json)
        return cli_print_json(json_pack("{s:I, s:s, s:I, s:I, s:o, s:o, s:b}", "run",
                                        (json_int_t)result->run_id, "status", "finished", "epochs",
                                        (json_int_t)result->epochs, "best_epoch",
                                        (json_int_t)result->best_epoch, "best_val_loss",
                                        cli_json_number(result->best_val_loss), "best_val_acc",
                                        cli_json_number(result->best_val_acc), "stopped_early",
                                        (int)result->stopped_early),
                              err);
    cli_print("run %lld: best epoch %lld of %lld%s - val_loss: %.4f - val_acc: %.4f\n",
              (long long)result->run_id, (long long)result->best_epoch, (long long)result->epochs,
              result->stopped_early ? " (stopped early)" : "", result->best_val_loss,
              result->best_val_acc);
    return DBT_OK;
}

/* The library's message says which number became infinite or NaN, not which option would help. */
static void add_remedy(const fit_values *v, dbt_error *err)
{
    size_t used = strlen(err->message);
    const dbt_network_options *network = &v->options.network;
    snprintf(err->message + used, sizeof err->message - used,
             ": try a new run with --learning-rate below %g%s", network->learning_rate,
             network->l2 > 0 ? ", or a lower --l2" : "");
}

/* What a run that did not finish has left. */
static void tell_what_is_kept(const cli_input *input, dbt_status status,
                              const dbt_fit_result *result)
{
    long long run = (long long)result->run_id;
    const fit_values *v = input->values;
    if (run == 0 && status == DBT_EINTERRUPTED)
        cli_note(v->options.resume != 0 ? "the run is as it was: the same command goes on"
                                        : "this fit has no run yet: the same command begins it");
    /* A file that was moved, or is damaged, keeps nothing. */
    if (run == 0 || status == DBT_EFORMAT) return;
    if (result->best_epoch > 0)
        cli_note("run %lld is kept with the weights of its best epoch, %lld", run,
                 (long long)result->best_epoch);
    if (status == DBT_EINTERRUPTED)
        cli_note("run %lld is kept as it was when it was stopped", run);
    else if (status == DBT_ELOCKED || status == DBT_EIO || status == DBT_ENOMEM)
        cli_note("run %lld is kept as it was last stored", run);
    else
        return;
    cli_note("to go on with it: dbtrain fit %s --resume=%lld", input->argument[0], run);
}

/* The options of the run that is to go on, with what the command line says on top. */
static dbt_status read_resumed_options(const cli_input *input, dbt_store *store, dbt_resume *resume,
                                       dbt_error *err)
{
    fit_values *v = input->values;
    dbt_status status = dbt_resume_find(store, v->resume, resume, err);
    if (status < 0) return status;
    if (resume->run_id == 0) {
        if (v->verbose != 0) cli_note("there is no run yet to go on with: this is the first");
        return DBT_OK;
    }
    take_options(v, &resume->options);
    status = cli_input_read_again(input, err);
    if (status == DBT_OK && cli_given(input, "validation-split") &&
        resume->options.validation != NULL)
        return cli_fail(err, DBT_EUSAGE,
                        "run %lld validates on split '%s': --validation-split says nothing of it",
                        (long long)resume->run_id, resume->options.validation);
    return status;
}

static dbt_status train(const cli_input *input, dbt_store *store, dbt_fit_result *result,
                        dbt_error *err)
{
    const fit_values *v = input->values;
    fit_printer printer = {.json = v->json, .verbose = v->verbose};
    if (printer.verbose == VERBOSE_UNSET) printer.verbose = isatty(STDERR_FILENO) ? 1 : 2;
    const dbt_observer observer = {print_note, show_step, print_epoch, cli_stop, &printer};
    const dbt_fit_options options = give_options(v);
    if (options.resume == 0 && printer.verbose > 0) note_test(v);
    dbt_status status = dbt_fit(store, &options, &observer, result, err);
    if (status < 0) tell_what_is_kept(input, status, result);
    if (status < 0 || printer.status == DBT_OK) return status;
    cli_note("run %lld has finished and is saved; not all of its lines could be written",
             (long long)result->run_id);
    *err = printer.err;
    return printer.status;
}

static dbt_status check_exclusions(const cli_input *input, dbt_error *err)
{
    if (cli_given(input, "validation") && cli_given(input, "validation-split"))
        return cli_fail(err, DBT_EUSAGE,
                        "--validation and --validation-split exclude each other: give one");
    if (cli_given(input, "hash-bits") && (cli_given(input, "min-df") || cli_given(input, "top-k")))
        return cli_fail(err, DBT_EUSAGE, "--hash-bits and --%s exclude each other: give one",
                        cli_given(input, "min-df") ? "min-df" : "top-k");
    return DBT_OK;
}

/* Whoever gives an option expects something of it. Of a resumed run the others must be known. */
static dbt_status check_effects(const cli_input *input, dbt_error *err)
{
    static const struct {
        const char *name;
        dbt_optimizer optimizer;
    } owned[] = {{"momentum", DBT_SGD}, {"nesterov", DBT_SGD}, {"weight-decay", DBT_ADAMW}};
    const fit_values *v = input->values;
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        if (cli_given(input, owned[i].name) && v->optimizer != (int)owned[i].optimizer)
            return cli_fail(
                err, DBT_EUSAGE, "--%s does nothing with --optimizer %s: it is for --optimizer %s",
                owned[i].name, optimizers[v->optimizer], optimizers[owned[i].optimizer]);
    if (cli_given(input, "nesterov") && v->options.network.momentum == 0)
        return cli_fail(err, DBT_EUSAGE, "--nesterov does nothing without --momentum");
    if (cli_given(input, "units") && v->options.network.layers == 1)
        return cli_fail(err, DBT_EUSAGE,
                        "--units does nothing with --layers 1, which has no hidden layer");
    return DBT_OK;
}

static dbt_status run_fit(const cli_input *input, dbt_error *err)
{
    const fit_values *v = input->values;
    dbt_store *store = NULL;
    dbt_resume resume = {0};
    dbt_fit_result result = {0};
    dbt_status status = check_exclusions(input, err);
    if (status == DBT_OK) status = cli_store_open(input->argument[0], DBT_STORE_WRITE, &store, err);
    if (status < 0) return status;
    if (cli_given(input, "resume")) status = read_resumed_options(input, store, &resume, err);
    if (status == DBT_OK) status = check_effects(input, err);
    if (status == DBT_OK) {
        status = train(input, store, &result, err);
        if (status == DBT_EDIVERGED) add_remedy(v, err);
    }
    dbt_resume_release(&resume);
    cli_store_close(store);
    return status < 0 ? status : print_result(v, &result, err);
}

const cli_command cli_fit = {
    .name = "fit",
    .summary = "train a network on a split",
    .description =
        "Trains the network of Google's text classification guide on a split of DATABASE, in "
        "pages of --batch-size rows that are read and vectorized (n-gram tf-idf) on the fly, and "
        "validates it after each epoch. Vocabulary, history and, with each checkpoint, the best "
        "and the last weights are stored in DATABASE: the table `epoch` can be watched with any "
        "SQLite client while training runs.\n"
        "Ctrl-C ends after the batch and keeps what was learnt; another one, a second later, ends "
        "at once. --resume goes on with a run that was interrupted or killed, from its last "
        "checkpoint, and ends with the same bits as one "
        "that never stopped. Options that are not given are then the run's; only --threads, "
        "--memory, --cache, --checkpoint-every and those of the output may be others. Documents "
        "that were "
        "added since are not the run's.",
    .examples = "  dbtrain fit imdb.db\n"
                "  dbtrain fit imdb.db --validation-split 0.1 --units 32\n"
                "  dbtrain fit news.db --train train --validation test --epochs 12\n"
                "  dbtrain fit imdb.db --resume --threads 8\n",
    .arguments = fit_arguments,
    .options = fit_options,
    .values_size = sizeof(fit_values),
    .init = init_values,
    .run = run_fit};

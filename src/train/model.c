/* model.c: a run out of the store: labels, vectorizer, weights; and predicting with it. */
#include "model.h"

#include <math.h>
#include <string.h>

#include "checkpoint.h"
#include "run.h"
#include "settings.h"
#include "store_internal.h"
#include "vocabulary.h"
#include "weights.h"

/* The row of the run: names, and the options its network is made of. */
static dbt_status read_run(dbt_model *model, dbt__sql *sql, dbt_fit_options *options,
                           int64_t *vectorizer_id, dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt_status status =
        dbt__prepare(sql,
                     "SELECT r.name, r.settings, r.vectorizer_id, r.best_epoch, t.name, v.name"
                     " FROM run r LEFT JOIN split t ON t.id = r.train_split_id"
                     " LEFT JOIN split v ON v.id = r.validation_split_id WHERE r.id = ?",
                     &select, err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, model->run_id);
    status = dbt__step(select, err);
    if (status == DBT_DONE)
        status = dbt__fail(err, DBT_EFORMAT, "run %lld is gone", (long long)model->run_id);
    if (status < 0) goto out;
    model->best_epoch = dbt__column_int(select, 3);
    *vectorizer_id = dbt__column_int(select, 2);
    status = dbt__column_copy(select, 0, &model->name, err);
    if (status == DBT_OK) status = dbt__column_copy(select, 4, &model->train_split, err);
    if (status == DBT_OK) status = dbt__column_copy(select, 5, &model->validation_split, err);
    if (status == DBT_OK)
        status = dbt__settings_read_column(sql, dbt__fit_fields, options, select, 1, err);
out:
    dbt__finalize(select);
    return status;
}

/* Best weights that a run does not have, since it was stopped in its first epoch, are its last. */
static dbt_status choose_weights(dbt_model *model, dbt__sql *sql, dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(sql,
                                     "SELECT coalesce(sum(kind = 'best'), 0),"
                                     " coalesce(sum(kind = 'last'), 0),"
                                     " (SELECT best_epoch FROM run WHERE id = ?1)"
                                     " FROM parameter WHERE run_id = ?1",
                                     &select, err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, model->run_id);
    status = dbt__step(select, err);
    if (status == DBT_OK) {
        bool best = dbt__column_int(select, 0) > 0, last = dbt__column_int(select, 1) > 0;
        if (!best && dbt__column_int(select, 2) > 0)
            status = dbt__fail(err, DBT_EFORMAT, "run %lld: its best weights are missing",
                               (long long)model->run_id);
        else if (model->weights == DBT_WEIGHTS_BEST && !best)
            model->weights = DBT_WEIGHTS_LAST;
        if (status == DBT_OK && model->weights == DBT_WEIGHTS_LAST && !last)
            status =
                dbt__fail(err, DBT_EUSAGE, "run %lld has no %s weights%s", (long long)model->run_id,
                          best ? "last" : "stored", best ? ": use its best" : "");
    }
    dbt__finalize(select);
    return status;
}

/* Last weights are stored as they were: what lagged of them is caught up now. A run without a
 * checkpoint has none that lag. */
static dbt_status read_weights(dbt_model *model, dbt__sql *sql, dbt_error *err)
{
    dbt__progress progress;
    bool found = false;
    dbt_status status = DBT_OK;
    if (model->weights == DBT_WEIGHTS_LAST)
        status = dbt__checkpoint_read(sql, model->run_id, model->network, &progress, &found, err);
    if (status < 0) return status;
    if (!found) return dbt__weights_read(sql, model->run_id, model->weights, model->network, err);
    dbt_network_settle(model->network);
    return dbt_network_check(model->network, err);
}

static dbt_status read_network(dbt_model *model, dbt__sql *sql, const dbt_fit_options *options,
                               dbt_error *err)
{
    dbt_network_options network = options->network;
    network.n_inputs = dbt_vectorizer_features(model->vectorizer);
    if (network.n_classes != model->labels.n)
        return dbt__fail(err, DBT_EFORMAT, "run %lld has %zu labels stored, its network %zu",
                         (long long)model->run_id, model->labels.n, network.n_classes);
    dbt_status status = dbt__weights_check_size(sql, model->run_id, model->weights, &network, err);
    if (status < 0) return status;
    /* The best weights have no steps before them: memory for the moments of their optimizer would
     * be touched for nothing. */
    if (model->weights == DBT_WEIGHTS_BEST) network.optimizer = DBT_SGD;
    dbt_error cause = {0};
    status = dbt_network_new(&network, NULL, &model->network, &cause);
    /* Options out of range are here the file's fault. */
    if (status == DBT_EUSAGE) status = DBT_EFORMAT;
    if (status < 0)
        return dbt__fail(err, status, "run %lld: %s", (long long)model->run_id, cause.message);
    return read_weights(model, sql, err);
}

/* Inside a transaction, so that what belongs together is read together while a training writes. */
static dbt_status read_model(dbt_model *model, dbt__sql *sql, const char *run, dbt_error *err)
{
    dbt_fit_options options;
    dbt_fit_options_init(&options);
    int64_t vectorizer_id = 0;
    dbt_status status = dbt__run_find(sql, run, &model->run_id, err);
    if (status == DBT_OK) status = choose_weights(model, sql, err);
    if (status == DBT_OK) status = read_run(model, sql, &options, &vectorizer_id, err);
    if (status == DBT_OK) status = dbt__label_map_read(&model->labels, sql, model->run_id, err);
    if (status == DBT_OK)
        status = dbt__vocabulary_load(sql, vectorizer_id, NULL, &model->vectorizer, err);
    if (status == DBT_OK) status = read_network(model, sql, &options, err);
    if (status == DBT_OK) status = dbt__run_verify(sql, model->run_id, err);
    return status;
}

dbt_status dbt_model_open(dbt_store *store, const char *run, dbt_weights weights, dbt_model **model,
                          dbt_error *err)
{
    *model = NULL;
    dbt__sql *sql = dbt__store_sql(store);
    dbt_model *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a model");
    made->weights = weights;
    dbt_status status = dbt__sql_begin_read(sql, err);
    if (status == DBT_OK) status = dbt__names_verify(sql, err);
    if (status == DBT_OK) status = read_model(made, sql, run, err);
    dbt__sql_rollback(sql);
    if (status < 0) {
        dbt_model_close(made);
        return status;
    }
    *model = made;
    return DBT_OK;
}

void dbt_model_close(dbt_model *model)
{
    if (model == NULL) return;
    dbt_batch_free(model->batch);
    dbt_workspace_free(model->workspace);
    dbt_transformer_free(model->transformer);
    dbt_network_free(model->network);
    dbt_vectorizer_free(model->vectorizer);
    dbt__label_map_release(&model->labels);
    dbt__free(model->name);
    dbt__free(model->train_split);
    dbt__free(model->validation_split);
    dbt__free(model);
}

dbt_model_info dbt_model_get_info(const dbt_model *model)
{
    return (dbt_model_info){
        .run_id = model->run_id,
        .name = model->name,
        .weights = model->weights,
        .best_epoch = model->best_epoch,
        .n_labels = model->labels.n,
        .n_features = dbt_vectorizer_features(model->vectorizer),
        .train_split = model->train_split,
        .validation_split = model->validation_split,
    };
}

const char *dbt_model_label(const dbt_model *model, size_t output)
{
    return model->labels.label[output].name;
}

int32_t dbt_model_output(const dbt_model *model, int64_t label_id)
{
    int32_t output = dbt__label_map_output(&model->labels, label_id);
    return output < 0 ? -1 : output;
}

const dbt_vectorizer *dbt_model_vectorizer(const dbt_model *model)
{
    return model->vectorizer;
}

dbt_status dbt__model_diverged(const dbt_model *model, dbt_error *err)
{
    return dbt__fail(err, DBT_EDIVERGED,
                     "run %lld: its %s weights give probabilities that are not finite",
                     (long long)model->run_id, dbt__weights_name(model->weights));
}

dbt_status dbt_model_predict(dbt_model *model, const dbt_page *page, const float **probability,
                             dbt_error *err)
{
    dbt_status status = DBT_OK;
    if (model->transformer == NULL)
        status = dbt_transformer_new(model->vectorizer, &model->transformer, err);
    if (status == DBT_OK && model->workspace == NULL)
        status = dbt_workspace_new(model->network, &model->workspace, err);
    if (status == DBT_OK && model->batch == NULL) status = dbt_batch_new(&model->batch, err);
    if (status == DBT_OK) status = dbt_transform(model->transformer, page, NULL, model->batch, err);
    if (status < 0) return status;
    status = dbt_network_predict(model->network, model->workspace, model->batch, probability, err);
    for (size_t i = 0; status == DBT_OK && i < page->n_rows * model->labels.n; i++)
        if (!isfinite((*probability)[i])) status = dbt__model_diverged(model, err);
    return status;
}

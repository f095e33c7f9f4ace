/* model.h: a stored run read back, as the files of this module see it. */
#ifndef DBT_MODEL_H
#define DBT_MODEL_H

#include <dbtrain/train.h>

#include "base.h"
#include "labels.h"

struct dbt_model {
    int64_t run_id;
    char *name;
    dbt_weights weights;
    int64_t best_epoch;
    char *train_split; /* NULL: gone */
    char *validation_split;
    dbt__label_map labels;
    dbt_vectorizer *vectorizer;
    dbt_network *network;
    dbt_transformer *transformer; /* of dbt_model_predict, made when first needed */
    dbt_workspace *workspace;
    dbt_batch *batch;
};

/* A probability is not finite: the run diverged before that was in the weights. Returns
 * DBT_EDIVERGED. */
dbt_status dbt__model_diverged(const dbt_model *model, dbt_error *err);

#endif

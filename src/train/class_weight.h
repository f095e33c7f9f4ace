/* class_weight.h: what --class-weight means. */
#ifndef DBT_CLASS_WEIGHT_H
#define DBT_CLASS_WEIGHT_H

#include "base.h"
#include "labels.h"

/*
 * Fills weight[n labels]: all 1 for NULL; for "balanced" n / (classes * documents of the class), as
 * scikit-learn's compute_class_weight; for "label=w,label=w" those weights, and 1 for the others. A
 * label may hold commas and '='. DBT_EUSAGE: an unknown label, one that is named twice, a weight
 * that is not a number from 0 to 1e6, or all of them 0.
 */
dbt_status dbt__class_weights(const char *setting, const dbt__label_map *labels, float *weight,
                              dbt_error *err) DBT_MUST_USE;

#endif

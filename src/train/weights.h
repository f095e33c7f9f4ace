/*
 * weights.h: the weights of a network in the table `parameter`, with a digest that is verified
 * before use.
 */
#ifndef DBT_WEIGHTS_H
#define DBT_WEIGHTS_H

#include <dbtrain/network.h>
#include <dbtrain/train.h>

#include "base.h"
#include "sql.h"

/* 'best' or 'last', as stored. */
const char *dbt__weights_name(dbt_weights kind);

/* Replaces the stored weights of (run, kind), inside the caller's transaction, by the network's or,
 * where `copy` is not NULL, those that dbt__weights_copy took of it. DBT_EDIVERGED when a weight is
 * not finite: nothing is written. */
dbt_status dbt__weights_write(dbt__sql *sql, int64_t run_id, dbt_weights kind, dbt_network *network,
                              const float *copy, dbt_error *err) DBT_MUST_USE;
/* Copies the parameters into *copy, which is made when it is NULL and freed with dbt__free.
 * DBT_EDIVERGED, DBT_ENOMEM. */
dbt_status dbt__weights_copy(dbt_network *network, float **copy, dbt_error *err) DBT_MUST_USE;
/* DBT_EFORMAT when a network of these options would be many times as large as what is stored of
 * (run, kind): to be asked before one is made, since a file's settings may claim anything. */
dbt_status dbt__weights_check_size(dbt__sql *sql, int64_t run_id, dbt_weights kind,
                                   const dbt_network_options *options, dbt_error *err) DBT_MUST_USE;
/* Fills a network of the run's options. DBT_EFORMAT when a parameter is missing, of another shape,
 * damaged or not finite: the message names it. */
dbt_status dbt__weights_read(dbt__sql *sql, int64_t run_id, dbt_weights kind, dbt_network *network,
                             dbt_error *err) DBT_MUST_USE;

#endif

/*
 * labels.h: the labels of a run: which output of the network stands for which label of the store.
 *
 * Outputs follow the byte order of the labels' names; of two labels, output 1 is the sigmoid's.
 */
#ifndef DBT_LABELS_H
#define DBT_LABELS_H

#include <dbtrain/network.h>
#include <dbtrain/page.h>

#include "base.h"
#include "sql.h"

typedef struct dbt__label {
    int64_t id;
    char *name;
    int64_t documents; /* of the training split; 0 when not counted */
} dbt__label;

typedef struct dbt__label_map {
    size_t n;
    size_t capacity;
    dbt__label *label; /* [n], by output */
    uint32_t *by_id;   /* [n], outputs in order of id, once the map is finished */
} dbt__label_map;

void dbt__label_map_release(dbt__label_map *map);
/* Counts `documents` more of a label id; the map need not be finished. */
dbt_status dbt__label_map_count(dbt__label_map *map, int64_t id, int64_t documents,
                                dbt_error *err) DBT_MUST_USE;
/* Fetches the names of all ids, puts the labels into the order of outputs, makes them findable. */
dbt_status dbt__label_map_finish(dbt__label_map *map, dbt__sql *sql, dbt_error *err) DBT_MUST_USE;
/* Labels of a stored run, by output. DBT_EFORMAT when outputs are not 0 .. n-1. */
dbt_status dbt__label_map_read(dbt__label_map *map, dbt__sql *sql, int64_t run_id,
                               dbt_error *err) DBT_MUST_USE;
dbt_status dbt__label_map_write(const dbt__label_map *map, dbt__sql *sql, int64_t run_id,
                                dbt_error *err) DBT_MUST_USE;
/* Output of a label id of a finished map; DBT_NO_LABEL for 0, DBT_UNKNOWN_LABEL when it is not
 * among them. */
int32_t dbt__label_map_output(const dbt__label_map *map, int64_t id);
/* Outputs of a page's rows. */
void dbt__label_map_page(const dbt__label_map *map, const dbt_page *page, int32_t *output);

#endif

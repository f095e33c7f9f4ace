/* labels.c: labels by output and by id. */
#include "labels.h"

#include <stdlib.h>
#include <string.h>

void dbt__label_map_release(dbt__label_map *map)
{
    for (size_t i = 0; i < map->n; i++)
        dbt__free(map->label[i].name);
    dbt__free(map->label);
    dbt__free(map->by_id);
    *map = (dbt__label_map){0};
}

/* *name is to be freed. */
static dbt_status read_name(dbt__statement *row, int column, int64_t id, char **name,
                            dbt_error *err)
{
    dbt_status status = dbt__column_copy(row, column, name, err);
    if (status < 0 || *name != NULL) return status;
    return dbt__fail(err, DBT_EFORMAT, "label %lld has no name: the file is damaged",
                     (long long)id);
}

static dbt_status append_label(dbt__label_map *map, int64_t id, dbt__label **label, dbt_error *err)
{
    dbt_status status = dbt__reserve((void **)&map->label, &map->capacity, map->n + 1,
                                     sizeof *map->label, "labels", err);
    if (status < 0) return status;
    *label = &map->label[map->n++];
    **label = (dbt__label){.id = id};
    return DBT_OK;
}

dbt_status dbt__label_map_count(dbt__label_map *map, int64_t id, int64_t documents, dbt_error *err)
{
    /* Kept in order of id, so that counting millions of rows of thousands of labels stays cheap. */
    size_t low = 0, high = map->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->label[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == map->n || map->label[low].id != id) {
        dbt__label *last;
        dbt_status status = append_label(map, id, &last, err);
        if (status < 0) return status;
        memmove(&map->label[low + 1], &map->label[low], (map->n - 1 - low) * sizeof *map->label);
        map->label[low] = (dbt__label){.id = id};
    }
    map->label[low].documents += documents;
    return DBT_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const dbt__label *)a)->name, ((const dbt__label *)b)->name);
}

/* Indices sorted by id: an insertion sort would be quadratic and qsort takes no context, so ids
 * travel along. */
struct id_output {
    int64_t id;
    uint32_t output;
};

static int compare_ids(const void *a, const void *b)
{
    int64_t x = ((const struct id_output *)a)->id, y = ((const struct id_output *)b)->id;
    return (x > y) - (x < y);
}

static dbt_status index_ids(dbt__label_map *map, dbt_error *err)
{
    struct id_output *pairs = dbt__alloc_array(map->n, sizeof *pairs);
    map->by_id = dbt__alloc_array(map->n, sizeof *map->by_id);
    if (pairs == NULL || map->by_id == NULL) {
        dbt__free(pairs);
        return dbt__out_of_memory(err, "labels");
    }
    for (size_t i = 0; i < map->n; i++)
        pairs[i] = (struct id_output){map->label[i].id, (uint32_t)i};
    qsort(pairs, map->n, sizeof *pairs, compare_ids);
    for (size_t i = 0; i < map->n; i++)
        map->by_id[i] = pairs[i].output;
    dbt__free(pairs);
    return DBT_OK;
}

dbt_status dbt__label_map_finish(dbt__label_map *map, dbt__sql *sql, dbt_error *err)
{
    dbt__statement *statement = NULL;
    dbt_status status = dbt__prepare(sql, "SELECT name FROM label WHERE id = ?", &statement, err);
    for (size_t i = 0; status == DBT_OK && i < map->n; i++) {
        dbt__bind_int(statement, 1, map->label[i].id);
        status = dbt__step(statement, err);
        if (status == DBT_DONE)
            status = dbt__fail(err, DBT_EFORMAT, "documents have label %lld, which is not in label",
                               (long long)map->label[i].id);
        else if (status == DBT_OK)
            status = read_name(statement, 0, map->label[i].id, &map->label[i].name, err);
        dbt__reset(statement);
    }
    dbt__finalize(statement);
    if (status < 0) return status;
    if (map->n > 0) qsort(map->label, map->n, sizeof *map->label, compare_names);
    return index_ids(map, err);
}

dbt_status dbt__label_map_read(dbt__label_map *map, dbt__sql *sql, int64_t run_id, dbt_error *err)
{
    dbt__statement *statement = NULL;
    dbt_status status = dbt__prepare(sql,
                                     "SELECT r.output, r.label_id, l.name FROM run_label r"
                                     " JOIN label l ON l.id = r.label_id WHERE r.run_id = ?"
                                     " ORDER BY r.output",
                                     &statement, err);
    if (status < 0) return status;
    dbt__bind_int(statement, 1, run_id);
    while ((status = dbt__step(statement, err)) == DBT_OK) {
        dbt__label *label;
        if (dbt__column_int(statement, 0) != (int64_t)map->n)
            status = dbt__fail(err, DBT_EFORMAT, "run_label of run %lld lacks output %zu",
                               (long long)run_id, map->n);
        if (status == DBT_OK)
            status = append_label(map, dbt__column_int(statement, 1), &label, err);
        if (status == DBT_OK) status = read_name(statement, 2, label->id, &label->name, err);
        if (status < 0) break;
    }
    dbt__finalize(statement);
    return status < 0 ? status : index_ids(map, err);
}

dbt_status dbt__label_map_write(const dbt__label_map *map, dbt__sql *sql, int64_t run_id,
                                dbt_error *err)
{
    dbt__statement *statement = NULL;
    dbt_status status = dbt__prepare(
        sql, "INSERT INTO run_label (run_id, output, label_id) VALUES (?, ?, ?)", &statement, err);
    for (size_t i = 0; status == DBT_OK && i < map->n; i++) {
        dbt__bind_int(statement, 1, run_id);
        dbt__bind_int(statement, 2, (int64_t)i);
        dbt__bind_int(statement, 3, map->label[i].id);
        status = dbt__run(statement, err);
    }
    dbt__finalize(statement);
    return status;
}

int32_t dbt__label_map_output(const dbt__label_map *map, int64_t id)
{
    if (id == 0) return DBT_NO_LABEL;
    size_t low = 0, high = map->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->label[map->by_id[middle]].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == map->n || map->label[map->by_id[low]].id != id) return DBT_UNKNOWN_LABEL;
    return (int32_t)map->by_id[low];
}

void dbt__label_map_page(const dbt__label_map *map, const dbt_page *page, int32_t *output)
{
    for (size_t i = 0; i < page->n_rows; i++)
        output[i] = dbt__label_map_output(map, page->label_id[i]);
}

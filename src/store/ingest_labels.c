/*
 * ingest_labels.c: the ids of labels by name, in memory.
 *
 * An open-addressing table in front of SQLite's: a corpus has few labels and names one in each
 * record. What does not fit into its maximum is asked of SQLite again.
 */
#include <string.h>

#include "ingest_internal.h"

enum { MAX_CACHED = 65536 };

typedef struct label_slot {
    int64_t id;    /* 0: the slot is free */
    int64_t round; /* in which it was asked for last */
    uint64_t hash;
    char *name;
    size_t bytes;
} label_slot;

struct dbt__labels {
    dbt__sql *sql;
    dbt__statement *find, *add;
    label_slot *slot; /* [n_slots], a power of two; at most half of them are taken */
    size_t n_slots, n;
    int64_t round; /* of counting */
    int64_t asked, different;
};

dbt_status dbt__labels_new(dbt__sql *sql, dbt__labels **labels, dbt_error *err)
{
    *labels = NULL;
    dbt__labels *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "labels");
    made->sql = sql;
    dbt_status status = dbt__prepare(sql, "SELECT id FROM label WHERE name = ?1", &made->find, err);
    if (status == DBT_OK)
        status = dbt__prepare(sql, "INSERT INTO label (name) VALUES (?1)", &made->add, err);
    if (status < 0)
        dbt__labels_free(made);
    else
        *labels = made;
    return status;
}

void dbt__labels_forget(dbt__labels *labels)
{
    for (size_t i = 0; i < labels->n_slots; i++)
        dbt__free(labels->slot[i].name);
    dbt__free(labels->slot);
    labels->slot = NULL;
    labels->n_slots = labels->n = 0;
}

void dbt__labels_free(dbt__labels *labels)
{
    if (labels == NULL) return;
    dbt__finalize(labels->find);
    dbt__finalize(labels->add);
    dbt__labels_forget(labels);
    dbt__free(labels);
}

static label_slot *find_slot(label_slot *table, size_t slots, dbt_text name, uint64_t hash)
{
    size_t at = (size_t)hash & (slots - 1);
    while (table[at].id != 0) {
        const label_slot *slot = &table[at];
        if (slot->hash == hash && slot->bytes == name.bytes &&
            memcmp(slot->name, name.data, name.bytes) == 0)
            break;
        at = (at + 1) & (slots - 1);
    }
    return &table[at];
}

static dbt_status grow(dbt__labels *labels, dbt_error *err)
{
    if (labels->n >= MAX_CACHED) dbt__labels_forget(labels);
    if (labels->n * 2 < labels->n_slots) return DBT_OK;
    size_t slots = labels->n_slots == 0 ? 256 : labels->n_slots * 2;
    label_slot *grown = dbt__alloc_array(slots, sizeof *grown);
    if (grown == NULL) return dbt__out_of_memory(err, "labels");
    for (size_t i = 0; i < labels->n_slots; i++) {
        const label_slot *slot = &labels->slot[i];
        if (slot->id != 0)
            *find_slot(grown, slots, (dbt_text){slot->name, slot->bytes}, slot->hash) = *slot;
    }
    dbt__free(labels->slot);
    labels->slot = grown;
    labels->n_slots = slots;
    return DBT_OK;
}

/* As it is in the file, which gets it when it is new. */
static dbt_status find_stored(dbt__labels *labels, dbt_text name, int64_t *id, dbt_error *err)
{
    dbt__bind_text(labels->find, 1, name.data, name.bytes);
    dbt_status status = dbt__step(labels->find, err);
    if (status == DBT_OK) *id = dbt__column_int(labels->find, 0);
    dbt__reset(labels->find);
    if (status != DBT_DONE) return status;
    dbt__bind_text(labels->add, 1, name.data, name.bytes);
    status = dbt__run(labels->add, err);
    *id = dbt__sql_last_id(labels->sql);
    return status;
}

void dbt__labels_count_anew(dbt__labels *labels)
{
    labels->round++;
    labels->asked = labels->different = 0;
}

bool dbt__labels_are_many(const dbt__labels *labels)
{
    return labels->different > labels->asked / 2;
}

static void count_label(dbt__labels *labels, label_slot *slot)
{
    labels->asked++;
    labels->different += slot->round != labels->round;
    slot->round = labels->round;
}

dbt_status dbt__labels_get(dbt__labels *labels, dbt_text name, int64_t *id, dbt_error *err)
{
    uint64_t hash = dbt__hash(name.data, name.bytes, 0);
    dbt_status status = grow(labels, err);
    if (status < 0) return status;
    label_slot *slot = find_slot(labels->slot, labels->n_slots, name, hash);
    *id = slot->id;
    if (*id != 0) {
        count_label(labels, slot);
        return DBT_OK;
    }
    status = find_stored(labels, name, id, err);
    if (status < 0) return status;
    char *copy = dbt__alloc_array(name.bytes, 1);
    if (copy == NULL) return dbt__out_of_memory(err, "labels");
    memcpy(copy, name.data, name.bytes);
    *slot = (label_slot){
        .id = *id, .round = labels->round, .hash = hash, .name = copy, .bytes = name.bytes};
    labels->n++;
    labels->asked++;
    labels->different++;
    return DBT_OK;
}

/*
 * verify.c: what tells a damaged file from one that is as it was stored.
 *
 * SQLite notices damage of its own structures, not of what they hold. A document has a checksum;
 * the places of a split and names are in the file twice, in their table and in its
 * index.
 */
#include "base.h"
#include "store_internal.h"

int64_t dbt__document_checksum(int64_t id, int64_t label_id, double weight, dbt_text text)
{
    const struct {
        int64_t id, label_id;
        double weight;
    } head = {id, label_id, weight};
    uint64_t seed = dbt__hash(&head, sizeof head, 0);
    return (int32_t)dbt__hash(text.data, text.bytes, seed);
}

dbt_status dbt__document_text(dbt__statement *row, int column, dbt_text *text, dbt_error *err)
{
    *text = dbt__column_text(row, column);
    if (text->data != NULL) return DBT_OK;
    if (!dbt__column_is_null(row, column)) return dbt__out_of_memory(err, "a document");
    return dbt__fail(err, DBT_EFORMAT, "a document has no text: the file is damaged");
}

/* Each name in a table must lead to its own row by the index, too. */
#define ASTRAY(table)                                                                              \
    "SELECT '" table "', id FROM " table " NOT INDEXED WHERE NOT EXISTS"                           \
    " (SELECT 1 FROM " table " AS same INDEXED BY sqlite_autoindex_" table "_1"                    \
    "  WHERE same.name = " table ".name AND same.id = " table ".id)"

dbt_status dbt__names_verify(dbt__sql *sql, dbt_error *err)
{
    dbt__statement *astray = NULL;
    dbt_status status =
        dbt__prepare(sql, ASTRAY("label") " UNION ALL " ASTRAY("split") " LIMIT 1", &astray, err);
    if (status < 0) return status;
    status = dbt__step(astray, err);
    if (status == DBT_OK) {
        dbt_text table = dbt__column_text(astray, 0);
        status = dbt__fail(err, DBT_EFORMAT,
                           "the name of %.*s %lld is not that of its index: the file is damaged; "
                           "take an older copy of it",
                           (int)table.bytes, table.data, (long long)dbt__column_int(astray, 1));
    }
    dbt__finalize(astray);
    return status < 0 ? status : DBT_OK;
}

/* In one statement, so of one state of the file. One bit of a place changes its sum: 2^k is no
 * multiple of the prime. */
#define SUM_OF_PLACES                                                                              \
    "SELECT count(*) AS n, sum((3 * position + document_id) % 2147483647) AS sum FROM "            \
    "split_document"
static const char compare_places[] =
    "SELECT split.documents, placed.n, (placed.n, placed.sum) IS (indexed.n, indexed.sum)"
    " FROM split, (" SUM_OF_PLACES " NOT INDEXED WHERE split_id = ?1) AS placed,"
    " (" SUM_OF_PLACES " INDEXED BY split_document_by_document WHERE split_id = ?1) AS indexed"
    " WHERE split.id = ?1";

/* Fewer places than documents are told by who reads them. */
static dbt_status judge_places(dbt__statement *found, const char *name, dbt_error *err)
{
    int64_t documents = dbt__column_int(found, 0), places = dbt__column_int(found, 1);
    if (dbt__column_int(found, 2) == 0)
        return dbt__fail(err, DBT_EFORMAT,
                         "the places of split '%s' are not those of their index: the file is "
                         "damaged; take an older copy of it",
                         name);
    if (documents < places)
        return dbt__fail(err, DBT_EFORMAT,
                         "split '%s' has %lld places, and says that it has %lld documents: if the "
                         "places are right, number them anew as schema/README.md shows",
                         name, (long long)places, (long long)documents);
    return DBT_OK;
}

static dbt_status verify_places(dbt__sql *sql, const char *name, int64_t split_id, dbt_error *err)
{
    dbt__statement *found = NULL;
    dbt_status status = dbt__prepare(sql, compare_places, &found, err);
    if (status < 0) return status;
    dbt__bind_int(found, 1, split_id);
    status = dbt__step(found, err);
    if (status == DBT_OK) status = judge_places(found, name, err);
    dbt__finalize(found);
    return status < 0 ? status : DBT_OK;
}

dbt_status dbt__split_find_verified(dbt_store *store, const char *name, dbt_split *split,
                                    dbt_error *err)
{
    dbt_status status = dbt_store_find_split(store, name, split, err);
    return status < 0 ? status : verify_places(dbt__store_sql(store), name, split->id, err);
}

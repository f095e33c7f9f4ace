/*
 * verify.c: what tells a damaged file from one that is as it was stored.
 *
 * SQLite notices damage of its own structures, not of what they hold. A document has a checksum;
 * the places of a split are in the file twice, in their table and in its index.
 */
#include "base.h"
#include "store_internal.h"

int64_t dbt__document_checksum(int64_t label_id, double weight, dbt_text text)
{
    const struct {
        int64_t label_id;
        double weight;
    } head = {label_id, weight};
    uint64_t seed = dbt__hash(&head, sizeof head, 0);
    return (int32_t)dbt__hash(text.data, text.bytes, seed);
}

/* In one statement, so of one state of the file. One bit of a place changes its sum: 2^k is no
 * multiple of the prime. */
#define SUM_OF_PLACES                                                                              \
    "SELECT count(*) AS n, sum((3 * position + document_id) % 2147483647) AS sum, max(position)"   \
    " AS last FROM split_document"
static const char compare_places[] =
    "SELECT split.documents, placed.n, (placed.n, placed.sum) IS (indexed.n, indexed.sum),"
    " coalesce(placed.last + 1, 0)"
    " FROM split, (" SUM_OF_PLACES " NOT INDEXED WHERE split_id = ?1) AS placed,"
    " (" SUM_OF_PLACES " INDEXED BY split_document_by_document WHERE split_id = ?1) AS indexed"
    " WHERE split.id = ?1";

/* Gaps are told by who reads the rows. */
static dbt_status judge(dbt__statement *found, const char *name, dbt_error *err)
{
    int64_t documents = dbt__column_int(found, 0), places = dbt__column_int(found, 1);
    if (dbt__column_int(found, 2) == 0)
        return dbt__fail(err, DBT_EFORMAT,
                         "the places of split '%s' are not those of their index: the file is "
                         "damaged; take an older copy of it",
                         name);
    if (documents < places && places == dbt__column_int(found, 3))
        return dbt__fail(err, DBT_EFORMAT,
                         "split '%s' has %lld places, and says that it has %lld documents: if the "
                         "places are right, UPDATE split SET documents = %lld WHERE name = '%s'",
                         name, (long long)places, (long long)documents, (long long)places, name);
    return DBT_OK;
}

dbt_status dbt__split_verify(dbt__sql *sql, const char *name, int64_t split_id, dbt_error *err)
{
    dbt__statement *found = NULL;
    dbt_status status = dbt__prepare(sql, compare_places, &found, err);
    if (status < 0) return status;
    dbt__bind_int(found, 1, split_id);
    status = dbt__step(found, err);
    if (status == DBT_OK) status = judge(found, name, err);
    dbt__finalize(found);
    return status < 0 ? status : DBT_OK;
}

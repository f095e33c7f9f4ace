/* A client of the library as it is installed: ingests a file and says what came of it. */
#include <stdio.h>

#include <dbtrain/ingest.h>
#include <dbtrain/store.h>

int main(int argc, char **argv)
{
    const char *const paths[] = {argc == 3 ? argv[2] : ""};
    dbt_store *store = NULL;
    dbt_ingest_options options;
    dbt_ingest_result result = {0};
    dbt_error err = {0};
    dbt_status status;

    if (argc != 3) return 2;
    dbt_ingest_options_init(&options);
    status = dbt_store_open(argv[1], DBT_STORE_CREATE, &store, &err);
    if (status == DBT_OK) status = dbt_ingest(store, paths, 1, &options, &result, &err);
    dbt_store_close(store, &err);
    if (err.status < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("%s: %d documents\n", dbt_status_text(status), (int)result.documents);
    return 0;
}

/* store.c: opening and closing the file that a command works on. */
#include "commands.h"

dbt_status cli_store_open(const char *path, dbt_store_mode mode, dbt_store **store, dbt_error *err)
{
    dbt_status status = dbt_store_open(path, mode, store, err);
    if (status == DBT_OK && mode != DBT_STORE_READ) dbt_store_cautions(*store, cli_note_line, NULL);
    return status;
}

void cli_store_abandon(dbt_store *store)
{
    dbt_error err = {0};
    if (dbt_store_abandon(store, &err) < 0) cli_note("%s", err.message);
}

void cli_store_close(dbt_store *store)
{
    dbt_error err = {0};
    if (dbt_store_close(store, &err) < 0) cli_note("%s", err.message);
}

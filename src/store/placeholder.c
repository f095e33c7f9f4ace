/* store.c */ typedef int dbt__unused_store;

/* linalg.c */ typedef int dbt__unused_linalg;

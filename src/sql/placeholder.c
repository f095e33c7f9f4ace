/* sql.c */ typedef int dbt__unused_sql;

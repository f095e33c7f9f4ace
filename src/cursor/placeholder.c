/* cursor.c */ typedef int dbt__unused_cursor;

/* text.c */ typedef int dbt__unused_text;

/* reader.c */ typedef int dbt__unused_reader;

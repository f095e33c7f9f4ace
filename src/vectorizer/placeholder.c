/* vectorizer.c */ typedef int dbt__unused_vectorizer;

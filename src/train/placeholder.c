/* train.c */ typedef int dbt__unused_train;

/* network.c */ typedef int dbt__unused_network;

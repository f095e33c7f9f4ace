/* window.h: the window of the shuffled order that is being handed out. */
#ifndef DBT_WINDOW_H
#define DBT_WINDOW_H

#include "order.h"
#include "split_reader.h"

typedef struct dbt__window dbt__window;

/* memory: bytes of rows that may be held. */
dbt_status dbt__window_new(size_t memory, dbt__window **window, dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__window_free(dbt__window *window);
/* Forgets what is held: another order begins. */
void dbt__window_reset(dbt__window *window);
/* Appends rows first .. first + n - 1 of the order to a page. */
dbt_status dbt__window_read(dbt__window *window, dbt__split_reader *reader, const dbt__order *order,
                            int64_t first, int64_t n, dbt_page *page, dbt_error *err) DBT_MUST_USE;
/* Where in the split rows first .. first + n - 1 of the order are. */
void dbt__window_positions(dbt__window *window, const dbt__order *order, int64_t first, int64_t n,
                           int64_t *position);

#endif

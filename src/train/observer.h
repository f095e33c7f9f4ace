/* observer.h: whether whoever waits for a training wants it to stop. */
#ifndef DBT_OBSERVER_H
#define DBT_OBSERVER_H

#include <stdbool.h>
#include <stddef.h>

#include <dbtrain/train.h>

/* NULL: nobody waits. */
static inline bool dbt__stop_wanted(const dbt_observer *observer)
{
    return observer != NULL && observer->stop != NULL && observer->stop(observer->context);
}

#endif

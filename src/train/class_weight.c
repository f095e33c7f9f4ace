/* class_weight.c: class weights from the setting and the counts of the labels. */
#include "class_weight.h"

#include <string.h>

static void balance(const dbt__label_map *labels, float *weight)
{
    int64_t n = 0;
    for (size_t i = 0; i < labels->n; i++)
        n += labels->label[i].documents;
    for (size_t i = 0; i < labels->n; i++)
        weight[i] = (float)((double)n / ((double)labels->n * (double)labels->label[i].documents));
}

/* digits [. digits], not strtod: that reads the decimal point of the locale. */
static bool parse_weight(const char *text, size_t bytes, float *weight)
{
    double value = 0, scale = 0;
    bool digit = false;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '.' && scale == 0) {
            scale = 1;
        } else if (text[i] >= '0' && text[i] <= '9') {
            digit = true;
            value = value * 10 + (text[i] - '0');
            if (scale != 0) scale *= 10;
        } else {
            return false;
        }
    }
    value = scale == 0 ? value : value / scale;
    *weight = (float)value;
    return digit && value <= 1e6;
}

static dbt_status set_weight(const char *item, size_t bytes, const dbt__label_map *labels,
                             float *weight, dbt_error *err)
{
    /* The last '=': a label may hold one. */
    size_t equals = bytes;
    while (equals > 0 && item[equals - 1] != '=')
        equals--;
    if (equals < 2)
        return dbt__fail(err, DBT_EUSAGE, "class weight '%.*s' is not label=weight", (int)bytes,
                         item);
    for (size_t i = 0; i < labels->n; i++) {
        const char *name = labels->label[i].name;
        if (strlen(name) != equals - 1 || memcmp(name, item, equals - 1) != 0) continue;
        if (!parse_weight(item + equals, bytes - equals, &weight[i]))
            return dbt__fail(err, DBT_EUSAGE,
                             "class weight '%.*s' is not a number from 0 to 1000000", (int)bytes,
                             item);
        return DBT_OK;
    }
    return dbt__fail(err, DBT_EUSAGE, "class weight '%.*s': no label '%.*s' in the training split",
                     (int)bytes, item, (int)(equals - 1), item);
}

dbt_status dbt__class_weights(const char *setting, const dbt__label_map *labels, float *weight,
                              dbt_error *err)
{
    for (size_t i = 0; i < labels->n; i++)
        weight[i] = 1;
    if (setting == NULL) return DBT_OK;
    if (strcmp(setting, "balanced") == 0) {
        balance(labels, weight);
        return DBT_OK;
    }
    for (const char *item = setting;;) {
        size_t bytes = strcspn(item, ",");
        dbt_status status = set_weight(item, bytes, labels, weight, err);
        if (status < 0) return status;
        if (item[bytes] == '\0') return DBT_OK;
        item += bytes + 1;
    }
}

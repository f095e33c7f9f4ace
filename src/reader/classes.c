/* classes.c: class names: line n of a file names the label n. */
#include "input.h"
#include "reader.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CLASSES_BYTES = 16 * 1024 * 1024 };

void dbt__class_names_release(dbt__class_names *classes)
{
    for (size_t i = 0; i < classes->n; i++)
        dbt__free(classes->name[i]);
    dbt__free(classes->name);
    dbt__free(classes->sorted);
    *classes = (dbt__class_names){0};
}

static dbt_status add_name(dbt__class_names *classes, size_t *capacity, const char *data,
                           size_t bytes, dbt_error *err)
{
    dbt_status status = dbt__reserve((void **)&classes->name, capacity, classes->n + 1,
                                     sizeof *classes->name, "class names", err);
    if (status < 0) return status;
    dbt__buffer clean;
    int64_t ignored = 0;
    dbt__buffer_init(&clean, 0);
    status = dbt__utf8_clean(data, bytes, &clean, &ignored, &ignored, err);
    if (status == DBT_OK) status = dbt__buffer_append(&clean, "", 1, err);
    if (status < 0)
        dbt__buffer_release(&clean);
    else
        classes->name[classes->n++] = clean.data; /* moved */
    return status;
}

/* By name, then by line. */
static int compare_names(const void *a, const void *b)
{
    char *const *left = *(char *const *const *)a, *const *right = *(char *const *const *)b;
    int order = strcmp(*left, *right);
    return order != 0 ? order : (left > right) - (left < right);
}

/* Two labels of one name would be one. */
static dbt_status sort_unique(dbt__class_names *classes, const char *where, dbt_error *err)
{
    char *const **sorted = dbt__alloc_array(classes->n, sizeof *sorted);
    if (sorted == NULL) return dbt__out_of_memory(err, "class names");
    classes->sorted = sorted;
    for (size_t i = 0; i < classes->n; i++)
        sorted[i] = &classes->name[i];
    qsort(sorted, classes->n, sizeof *sorted, compare_names);
    dbt_status status = DBT_OK;
    for (size_t i = 1; i < classes->n && status == DBT_OK; i++)
        if (strcmp(*sorted[i - 1], *sorted[i]) == 0)
            status =
                dbt__fail(err, DBT_EDATA, "%s:%zu: class name '%.80s' is that of line %zu, too",
                          where, (size_t)(sorted[i] - classes->name) + 1, *sorted[i],
                          (size_t)(sorted[i - 1] - classes->name) + 1);
    return status;
}

/* The name that is `label`, or NULL. */
static const char *find_name(const dbt__class_names *classes, dbt_text label)
{
    size_t low = 0, high = classes->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *name = *classes->sorted[middle];
        size_t bytes = strlen(name);
        int order = memcmp(label.data, name, bytes < label.bytes ? bytes : label.bytes);
        if (order == 0) order = (label.bytes > bytes) - (label.bytes < bytes);
        if (order == 0) return name;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *dbt__class_names_find(const dbt__class_names *classes, dbt_text label)
{
    size_t number = 0, digits = 0;
    while (digits < label.bytes && label.data[digits] >= '0' && label.data[digits] <= '9') {
        if (number <= classes->n) number = number * 10 + (size_t)(label.data[digits] - '0');
        digits++;
    }
    if (digits < label.bytes) return find_name(classes, label);
    return number < 1 || number > classes->n ? NULL : classes->name[number - 1];
}

bool dbt__is_no_classes(const char *classes)
{
    return classes != NULL && strcmp(classes, "none") == 0;
}

dbt_status dbt__class_names_parse(const char *data, size_t bytes, const char *where,
                                  dbt__class_names *classes, dbt_error *err)
{
    *classes = (dbt__class_names){0};
    size_t capacity = 0;
    dbt_status status = DBT_OK;
    while (bytes > 0 && (data[bytes - 1] == '\n' || data[bytes - 1] == '\r'))
        bytes--;
    const char *p = data, *end = bytes == 0 ? p : p + bytes;
    if (bytes >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) p += 3;
    while (p < end && status == DBT_OK) {
        const char *feed = memchr(p, '\n', (size_t)(end - p));
        const char *stop = feed == NULL ? end : feed;
        size_t length = (size_t)(stop - p);
        if (length > 0 && p[length - 1] == '\r') length--;
        if (length == 0) {
            status = dbt__fail(err, DBT_EDATA, "%s:%zu: empty class name", where, classes->n + 1);
            break;
        }
        status = add_name(classes, &capacity, p, length, err);
        p = feed == NULL ? end : feed + 1;
    }
    if (status == DBT_OK && classes->n == 0)
        status = dbt__fail(err, DBT_EDATA, "%s: no class names", where);
    if (status == DBT_OK) status = sort_unique(classes, where, err);
    if (status < 0) dbt__class_names_release(classes);
    return status;
}

dbt_status dbt__class_names_read(const char *path, dbt__class_names *classes, dbt_error *err)
{
    dbt__input *input;
    dbt__buffer text;
    char block[4096];
    size_t got = 1;
    *classes = (dbt__class_names){0};
    dbt__buffer_init(&text, MAX_CLASSES_BYTES);
    dbt_status status = dbt__input_open(path, (dbt__waiting){0}, &input, err);
    while (status == DBT_OK && got > 0) {
        status = dbt__input_read(input, block, sizeof block, &got, err);
        if (status == DBT_OK) status = dbt__buffer_append(&text, block, got, err);
    }
    if (status == DBT_OK)
        status = dbt__class_names_parse(text.data, text.length, path, classes, err);
    dbt__input_close(input);
    dbt__buffer_release(&text);
    return status;
}

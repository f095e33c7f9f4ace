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

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* [sign] digits, of which three are more than a weight can need. */
static bool parse_exponent(const char *text, const char *end, int *exponent)
{
    bool negative = text < end && *text == '-';
    text += text < end && (*text == '-' || *text == '+');
    if (text == end || end - text > 3) return false;
    for (; text < end; text++) {
        if (!is_digit(*text)) return false;
        *exponent = *exponent * 10 + (*text - '0');
    }
    if (negative) *exponent = -*exponent;
    return true;
}

/* digits [. digits] [e exponent], not strtod: that reads the decimal point of the locale. */
static bool parse_weight(const char *text, const char *end, float *weight)
{
    double value = 0, scale = 1;
    int places = 0, exponent = 0;
    bool digit = false, point = false;
    for (; text < end && *text != 'e' && *text != 'E'; text++) {
        if (is_digit(*text)) {
            digit = true;
            value = value * 10 + (*text - '0');
            places += point;
        } else if (*text == '.' && !point) {
            point = true;
        } else {
            return false;
        }
    }
    if (text < end && !parse_exponent(text + 1, end, &exponent)) return false;
    exponent -= places;
    for (int i = 0; i < (exponent < 0 ? -exponent : exponent); i++)
        scale *= 10;
    value = exponent < 0 ? value / scale : value * scale;
    *weight = (float)value;
    return digit && value <= 1e6;
}

/* "label=weight", a part of the setting. */
typedef struct item {
    const char *text;
    size_t bytes;
    size_t name_bytes; /* before the last '=', as a label may hold one; 0: it is not label=weight */
    size_t label;      /* index; the number of labels: none is named so */
} item;

static item make_item(const char *text, size_t bytes, const dbt__label_map *labels)
{
    item made = {.text = text, .bytes = bytes, .name_bytes = bytes};
    while (made.name_bytes > 0 && text[made.name_bytes] != '=')
        made.name_bytes--;
    for (; made.label < labels->n; made.label++) {
        const char *name = labels->label[made.label].name;
        if (strlen(name) == made.name_bytes && memcmp(name, text, made.name_bytes) == 0) break;
    }
    return made;
}

/*
 * The item that begins at `text`. A label may hold commas: an item ends at the first one that has
 * a known label and its weight before it. Where there is none such, it is the shortest that looks
 * like label=weight, for the message.
 */
static item find_item(const char *text, const dbt__label_map *labels)
{
    item refused = {0};
    for (size_t bytes = strcspn(text, ",");; bytes += 1 + strcspn(text + bytes + 1, ",")) {
        item now = make_item(text, bytes, labels);
        if (now.label < labels->n) return now;
        if (refused.name_bytes == 0) refused = now;
        if (text[bytes] == '\0') return refused;
    }
}

/* What no label was given. */
static const float unset = -1;

static dbt_status set_weight(const item *part, const dbt__label_map *labels, float *weight,
                             dbt_error *err)
{
    int bytes = (int)part->bytes, name_bytes = (int)part->name_bytes;
    float value;
    if (name_bytes == 0)
        return dbt__fail(err, DBT_EUSAGE, "class weight '%.*s' is not label=weight", bytes,
                         part->text);
    if (part->label == labels->n)
        return dbt__fail(err, DBT_EUSAGE,
                         "class weight '%.*s': no label '%.*s' in the training split", bytes,
                         part->text, name_bytes, part->text);
    if (!parse_weight(part->text + name_bytes + 1, part->text + bytes, &value))
        return dbt__fail(err, DBT_EUSAGE, "class weight '%.*s' is not a number from 0 to 1000000",
                         bytes, part->text);
    if (weight[part->label] != unset)
        return dbt__fail(err, DBT_EUSAGE, "class weight '%.*s': label '%.*s' has one already",
                         bytes, part->text, name_bytes, part->text);
    weight[part->label] = value;
    return DBT_OK;
}

static dbt_status set_weights(const char *setting, const dbt__label_map *labels, float *weight,
                              dbt_error *err)
{
    for (const char *text = setting;;) {
        item part = find_item(text, labels);
        dbt_status status = set_weight(&part, labels, weight, err);
        if (status < 0) return status;
        text += part.bytes;
        if (*text++ == '\0') return DBT_OK;
    }
}

/* Of the labels that were not named the weight is 1. */
static dbt_status finish_weights(const char *setting, size_t n, float *weight, dbt_error *err)
{
    bool positive = false;
    for (size_t i = 0; i < n; i++) {
        if (weight[i] == unset) weight[i] = 1;
        positive |= weight[i] > 0;
    }
    if (positive) return DBT_OK;
    return dbt__fail(err, DBT_EUSAGE, "class weights '%s' are all 0: nothing would be learnt",
                     setting);
}

dbt_status dbt__class_weights(const char *setting, const dbt__label_map *labels, float *weight,
                              dbt_error *err)
{
    if (setting != NULL && strcmp(setting, "balanced") == 0) {
        balance(labels, weight);
        return DBT_OK;
    }
    for (size_t i = 0; i < labels->n; i++)
        weight[i] = setting == NULL ? 1 : unset;
    if (setting == NULL) return DBT_OK;
    dbt_status status = set_weights(setting, labels, weight, err);
    return status < 0 ? status : finish_weights(setting, labels->n, weight, err);
}

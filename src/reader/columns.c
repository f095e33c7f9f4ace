/*
 * columns.c: which column holds the label, which the text.
 *
 * What the caller names wins: a name as it is, then without regard to case and to the blanks around
 * it, then a number from 1.
 * Otherwise a header is searched for the names that corpora use, and of two columns the one beside
 * the label is the text; without a header the label is column 1 and the text the rest.
 */
#include "reader_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "utf8.h"

static const char *const label_names[] = {"label",     "class", "category", "target",
                                          "sentiment", "stars", "rating"};
static const char *const text_names[] = {"text", "review",  "content",
                                         "body", "message", "description"};
#define COUNT(array) (sizeof(array) / sizeof *(array))

void dbt__columns_release(dbt__columns *columns)
{
    for (size_t i = 0; columns->name != NULL && i < columns->n; i++)
        dbt__free(columns->name[i]);
    dbt__free(columns->name);
    dbt__free(columns->text);
    *columns = (dbt__columns){.label = DBT__NO_COLUMN};
}

dbt_status dbt__columns_add(dbt__columns *columns, const char *name, size_t bytes, dbt_error *err)
{
    dbt_status status = dbt__reserve((void **)&columns->name, &columns->name_capacity,
                                     columns->n + 1, sizeof *columns->name, "column names", err);
    if (status < 0) return status;
    dbt__buffer clean;
    int64_t ignored = 0;
    dbt__buffer_init(&clean, 0);
    status = dbt__utf8_clean(name, bytes, &clean, &ignored, &ignored, err);
    if (status == DBT_OK) status = dbt__buffer_append(&clean, "", 1, err);
    if (status < 0) {
        dbt__buffer_release(&clean);
        return status;
    }
    columns->name[columns->n++] = clean.data; /* moved */
    return DBT_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static dbt_text trim(dbt_text name)
{
    while (name.bytes > 0 && is_blank(name.data[name.bytes - 1]))
        name.bytes--;
    for (; name.bytes > 0 && is_blank(*name.data); name.bytes--)
        name.data++;
    return name;
}

/* Without regard to case and to the blanks around. */
static bool equals(dbt_text name, const char *other)
{
    dbt_text a = trim(name), b = trim((dbt_text){other, strlen(other)});
    return a.bytes == b.bytes && (a.bytes == 0 || strncasecmp(a.data, b.data, a.bytes) == 0);
}

bool dbt__columns_is_known(const dbt__reader_options *options, dbt_text name)
{
    if (name.bytes == 0) return false;
    for (size_t i = 0; i < COUNT(label_names); i++)
        if (equals(name, label_names[i])) return true;
    for (size_t i = 0; i < COUNT(text_names); i++)
        if (equals(name, text_names[i])) return true;
    const char *label = options->label_column;
    if (label != NULL && !dbt__is_no_label(options->label_column) && equals(name, label) &&
        label[strspn(label, "0123456789")] != '\0')
        return true;
    for (size_t i = 0; i < options->n_text_columns; i++) {
        const char *given = options->text_column[i];
        if (equals(name, given) && given[strspn(given, "0123456789")] != '\0') return true;
    }
    return false;
}

/* The next column of that name from an index on, DBT__NO_COLUMN when there is none. */
static size_t next_named(const dbt__columns *columns, size_t from, const char *name, bool exactly)
{
    for (size_t i = from; columns->name != NULL && i < columns->n; i++) {
        const char *own = columns->name[i];
        if (exactly ? strcmp(own, name) == 0 : equals((dbt_text){own, strlen(own)}, name)) return i;
    }
    return DBT__NO_COLUMN;
}

/* The first column of that name, and another one in *again; DBT__NO_COLUMN when there is none. */
static size_t find_name(const dbt__columns *columns, const char *name, size_t *again)
{
    bool exactly = next_named(columns, 0, name, true) != DBT__NO_COLUMN;
    size_t found = next_named(columns, 0, name, exactly);
    *again = found == DBT__NO_COLUMN ? found : next_named(columns, found + 1, name, exactly);
    return found;
}

/* Which of two columns is meant cannot be told. */
static dbt_status fail_ambiguous(const dbt__reader *r, const char *name, size_t index, size_t again,
                                 dbt_status status, const char *what, dbt_error *err)
{
    return dbt__fail(err, status,
                     "%s: columns %zu and %zu are both named '%s': --%s-column takes a number, too",
                     r->name, index + 1, again + 1, name, what);
}

/* The first of the names that corpora use for it. */
static dbt_status find_usual(const dbt__reader *r, const char *const *names, size_t n,
                             const char *what, size_t *index, dbt_error *err)
{
    size_t again = DBT__NO_COLUMN;
    *index = DBT__NO_COLUMN;
    for (size_t i = 0; i < n && *index == DBT__NO_COLUMN; i++) {
        *index = find_name(&r->columns, names[i], &again);
        if (again != DBT__NO_COLUMN)
            return fail_ambiguous(r, names[i], *index, again, DBT_EDATA, what, err);
    }
    return DBT_OK;
}

/* The columns' names, or their number, for a message. */
static void list_columns(const dbt__columns *columns, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    if (columns->name == NULL) {
        (void)snprintf(text, bytes, "%zu without names", columns->n);
        return;
    }
    for (size_t i = 0; i < columns->n && used < bytes; i++) {
        bool room = used + strlen(columns->name[i]) + 8 < bytes;
        int put = snprintf(text + used, bytes - used, "%s%s", i == 0 ? "" : ", ",
                           room ? columns->name[i] : "...");
        used += put < 0 ? 0 : (size_t)put;
        if (!room) break;
    }
}

/* The column that the caller names. */
static dbt_status find_given(const dbt__reader *r, const char *given, const char *what,
                             size_t *index, dbt_error *err)
{
    const dbt__columns *columns = &r->columns;
    size_t again;
    *index = find_name(columns, given, &again);
    if (again != DBT__NO_COLUMN)
        return fail_ambiguous(r, given, *index, again, DBT_EUSAGE, what, err);
    if (*index != DBT__NO_COLUMN) return DBT_OK;
    size_t digits = strspn(given, "0123456789"), number = 0;
    if (digits > 0 && digits < 8 && given[digits] == '\0' && r->format != DBT__JSONL)
        for (size_t i = 0; i < digits; i++)
            number = number * 10 + (size_t)(given[i] - '0');
    if (number >= 1 && number <= columns->n) {
        *index = number - 1;
        return DBT_OK;
    }
    char list[512];
    list_columns(columns, list, sizeof list);
    return dbt__fail(err, DBT_EUSAGE, "no column '%s' in '%s' (columns: %s)%s", given, r->name,
                     list, r->hint);
}

static dbt_status fail_unrecognised(const dbt__reader *r, const char *what, dbt_error *err)
{
    char list[512];
    list_columns(&r->columns, list, sizeof list);
    return dbt__fail(
        err, DBT_EDATA,
        "%s: no column is recognised as the %s (columns: %s); --%s-column names it%s%s", r->name,
        what, list, what, strcmp(what, "label") == 0 ? ", or is none" : "", r->hint);
}

static dbt_status choose_label(dbt__reader *r, dbt_error *err)
{
    const char *given = r->options.label_column;
    dbt__columns *columns = &r->columns;
    columns->label = DBT__NO_COLUMN;
    if (dbt__is_no_label(r->options.label_column)) return DBT_OK;
    if (given != NULL) return find_given(r, given, "label", &columns->label, err);
    dbt_status status =
        find_usual(r, label_names, COUNT(label_names), "label", &columns->label, err);
    if (status < 0) return status;
    if (columns->name == NULL) columns->label = 0;
    return columns->label == DBT__NO_COLUMN ? fail_unrecognised(r, "label", err) : DBT_OK;
}

/* Of two columns the one that is not the label. */
static size_t find_other(const dbt__columns *columns)
{
    return columns->n == 2 && columns->label < 2 ? 1 - columns->label : DBT__NO_COLUMN;
}

static dbt_status choose_text(dbt__reader *r, dbt_error *err)
{
    dbt__columns *columns = &r->columns;
    size_t given = r->options.n_text_columns, index = DBT__NO_COLUMN, title = DBT__NO_COLUMN;
    columns->text = dbt__alloc_array(given < 2 ? 2 : given, sizeof *columns->text);
    if (columns->text == NULL) return dbt__out_of_memory(err, "columns");
    for (size_t i = 0; i < given; i++) {
        dbt_status status =
            find_given(r, r->options.text_column[i], "text", &columns->text[i], err);
        if (status < 0) return status;
    }
    columns->n_text = given;
    if (given > 0) return DBT_OK;
    if (columns->name == NULL) {
        columns->rest = true;
        return DBT_OK;
    }
    static const char *const title_name[] = {"title"};
    dbt_status status = find_usual(r, text_names, COUNT(text_names), "text", &index, err);
    if (status == DBT_OK) status = find_usual(r, title_name, 1, "text", &title, err);
    if (status < 0) return status;
    if (index == DBT__NO_COLUMN) index = find_other(columns);
    if (index == DBT__NO_COLUMN) return fail_unrecognised(r, "text", err);
    if (title != DBT__NO_COLUMN && title != index) columns->text[columns->n_text++] = title;
    columns->text[columns->n_text++] = index;
    return DBT_OK;
}

static void append_text(char *text, size_t bytes, const char *more)
{
    size_t used = strlen(text);
    if (used + 1 < bytes) (void)snprintf(text + used, bytes - used, "%s", more);
}

static void append_column(const dbt__columns *columns, size_t index, char *text, size_t bytes)
{
    char one[96];
    if (columns->name == NULL)
        (void)snprintf(one, sizeof one, "column %zu", index + 1);
    else
        (void)snprintf(one, sizeof one, "'%.80s'", columns->name[index]);
    append_text(text, bytes, one);
}

/* A text that is its own label is learnt at once, and says nothing. */
static dbt_status check_apart(const dbt__reader *r, dbt_error *err)
{
    const dbt__columns *columns = &r->columns;
    char column[96] = "";
    for (size_t i = 0; i < columns->n_text; i++) {
        if (columns->text[i] != columns->label) continue;
        append_column(columns, columns->label, column, sizeof column);
        return dbt__fail(err, DBT_EUSAGE,
                         "%s: %s would be the label and the text: --label-column and --text-column "
                         "must name different ones",
                         r->name, column);
    }
    return DBT_OK;
}

dbt_status dbt__columns_choose(dbt__reader *r, dbt_error *err)
{
    dbt__columns *columns = &r->columns;
    dbt_status status = choose_label(r, err);
    if (status == DBT_OK) status = choose_text(r, err);
    if (status == DBT_OK) status = check_apart(r, err);
    if (status < 0) return status;
    bool labelled = columns->label != DBT__NO_COLUMN;
    columns->needed = labelled ? columns->label + 1 : 1;
    for (size_t i = 0; i < columns->n_text; i++)
        if (columns->text[i] + 1 > columns->needed) columns->needed = columns->text[i] + 1;
    if (columns->rest) {
        if (columns->n > columns->needed) columns->needed = columns->n;
        if (columns->needed < (labelled ? 2U : 1U)) columns->needed = 2;
    }
    return DBT_OK;
}

void dbt__columns_say_label(const dbt__columns *columns, char *text, size_t bytes)
{
    text[0] = '\0';
    if (columns->label != DBT__NO_COLUMN) append_column(columns, columns->label, text, bytes);
}

void dbt__columns_say(const dbt__columns *columns, char *text, size_t bytes)
{
    text[0] = '\0';
    if (columns->label == DBT__NO_COLUMN && columns->n_text == 0 && columns->needed == 0) {
        append_text(text, bytes, "no columns"); /* of an empty file */
        return;
    }
    if (columns->label == DBT__NO_COLUMN) {
        append_text(text, bytes, "no label");
    } else {
        append_text(text, bytes, "label = ");
        append_column(columns, columns->label, text, bytes);
    }
    append_text(text, bytes, ", text = ");
    size_t said = 0;
    for (size_t i = 0; i < (columns->rest ? columns->needed : columns->n_text) && said < 8; i++) {
        if (columns->rest && i == columns->label) continue;
        if (said++ > 0) append_text(text, bytes, " + ");
        append_column(columns, columns->rest ? i : columns->text[i], text, bytes);
    }
    if (said == 8) append_text(text, bytes, " + ...");
}

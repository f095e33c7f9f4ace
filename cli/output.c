/*
 * output.c: stdout with its failures remembered, notes, the progress line, tables.
 *
 * stdio forgets why a write failed: by the time a command ends, errno is something else's. So every
 * write to stdout goes through here and the first errno is kept. The progress line lives on the
 * last line of a terminal; whatever else is printed takes it away first.
 */
#include "output.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <utf8proc.h>

#define PROGRESS_INTERVAL 0.1 /* seconds */
#define JSON_DIGITS 9
#define NOTE_BYTES 2048

static struct {
    char name[64];      /* "dbtrain COMMAND" */
    int stdout_errno;   /* of the first write to stdout that failed; 0: none */
    bool progress;      /* a progress line is on the terminal */
    double progress_at; /* when it was last written */
} output = {.name = "dbtrain"};

dbt_status cli_fail(dbt_error *err, dbt_status status, const char *format, ...)
{
    if (err == NULL || err->status != DBT_OK) return status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    err->status = status;
    return status;
}

/* --- stdout --- */

static void keep_failure(void)
{
    if (output.stdout_errno == 0) output.stdout_errno = errno != 0 ? errno : EIO;
}

void cli_print(const char *format, ...)
{
    va_list arguments;
    cli_progress_clear();
    va_start(arguments, format);
    errno = 0;
    if (vprintf(format, arguments) < 0) keep_failure();
    va_end(arguments);
}

/* Bytes of the control character that text begins with: C0 and DEL have one, C1 in UTF-8 two. */
static size_t control_bytes(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    if (c[0] < 0x20 || c[0] == 0x7f) return c[0] == '\0' ? 0 : 1;
    return c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0 ? 2 : 0;
}

/* Puts blanks where control characters are. */
static void blank_controls(char *text)
{
    for (size_t bytes; *text != '\0'; text += bytes == 0 ? 1 : bytes)
        if ((bytes = control_bytes(text)) > 0) memset(text, ' ', bytes);
}

void cli_print_name(const char *name)
{
    cli_progress_clear();
    errno = 0;
    for (size_t bytes; *name != '\0'; name += bytes == 0 ? 1 : bytes) {
        bytes = control_bytes(name);
        if (putchar(bytes > 0 ? ' ' : *name) == EOF) keep_failure();
    }
}

void cli_write(const char *data, size_t bytes)
{
    cli_progress_clear();
    errno = 0;
    if (fwrite(data, 1, bytes, stdout) < bytes) keep_failure();
}

dbt_status cli_flush(dbt_error *err)
{
    errno = 0;
    if (fflush(stdout) != 0) keep_failure();
    if (output.stdout_errno == 0) return DBT_OK;
    if (output.stdout_errno == EPIPE)
        return cli_fail(err, DBT_EINTERRUPTED, "the reader of the output is gone");
    return cli_fail(err, DBT_EIO, "cannot write to stdout: %s", strerror(output.stdout_errno));
}

bool cli_reader_gone(void)
{
    return output.stdout_errno == EPIPE;
}

static int write_json(const char *data, size_t bytes, void *context)
{
    (void)context;
    cli_write(data, bytes);
    return 0;
}

dbt_status cli_print_json(json_t *object, dbt_error *err)
{
    int failed = object == NULL || json_dump_callback(object, write_json, NULL,
                                                      JSON_REAL_PRECISION(JSON_DIGITS)) != 0;
    json_decref(object);
    if (failed) return cli_fail(err, DBT_ENOMEM, "out of memory for a line of JSON");
    cli_write("\n", 1);
    return DBT_OK;
}

json_t *cli_json_number(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

json_t *cli_json_text(const char *text)
{
    if (text == NULL) return json_null();
    json_t *string = json_string(text);
    if (string != NULL) return string;
    char *copy = strdup(text);
    if (copy == NULL) return NULL;
    for (char *c = copy; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    string = json_string(copy);
    free(copy);
    return string;
}

/* --- stderr --- */

void cli_name_set(const char *command)
{
    snprintf(output.name, sizeof output.name, "dbtrain %s", command);
}

/* Prints text with control characters as C writes them: data must not steer a terminal. */
static void print_escaped(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        size_t bytes = control_bytes(c);
        if (*c == '\n')
            fputs("\\n", stderr);
        else if (*c == '\t')
            fputs("\\t", stderr);
        else if (bytes == 1)
            fprintf(stderr, "\\x%02x", (unsigned)*c);
        else if (bytes == 2)
            fprintf(stderr, "\\u%04x", (unsigned)(unsigned char)*++c);
        else
            fputc(*c, stderr);
    }
}

void cli_note(const char *format, ...)
{
    char text[NOTE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cli_progress_clear();
    fprintf(stderr, "%s: ", output.name);
    print_escaped(text);
    fputc('\n', stderr);
}

void cli_note_line(void *context, const char *line)
{
    (void)context;
    cli_note("%s", line);
}

static double read_clock(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void cli_progress(const char *format, ...)
{
    if (!isatty(STDERR_FILENO)) return;
    double now = read_clock();
    if (output.progress && now - output.progress_at < PROGRESS_INTERVAL) return;
    char text[80]; /* longer lines would wrap, and a wrapped line cannot be taken back */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fputs("\r\033[K", stderr);
    print_escaped(text);
    fflush(stderr);
    output.progress = true;
    output.progress_at = now;
}

void cli_progress_clear(void)
{
    if (!output.progress) return;
    fputs("\r\033[K", stderr);
    output.progress = false;
}

/* --- for people --- */

const char *cli_thousands(char buffer[CLI_NUMBER_BYTES], int64_t number)
{
    char digits[CLI_NUMBER_BYTES];
    uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)magnitude);
    char *out = buffer;
    if (number < 0) *out++ = '-';
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return buffer;
}

const char *cli_bytes(char buffer[CLI_NUMBER_BYTES], int64_t bytes)
{
    static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB"};
    if (bytes < 1024) {
        snprintf(buffer, CLI_NUMBER_BYTES, "%lld %s", (long long)bytes,
                 cli_plural(bytes, "byte", "bytes"));
        return buffer;
    }
    double value = (double)bytes / 1024;
    size_t i = 0;
    while (value >= 1023.95 && i < 3) {
        value /= 1024;
        i++;
    }
    snprintf(buffer, CLI_NUMBER_BYTES, "%.1f %s", value, unit[i]);
    return buffer;
}

void cli_table_init(cli_table *table, const char *align)
{
    *table = (cli_table){.align = align, .n_columns = strlen(align)};
}

void cli_table_release(cli_table *table)
{
    for (size_t i = 0; i < table->n_cells; i++)
        free(table->cell[i]);
    free(table->cell);
    table->cell = NULL;
    table->n_cells = table->capacity = 0;
}

static bool grow_table(cli_table *table)
{
    if (table->n_cells < table->capacity) return true;
    size_t capacity = table->capacity + table->capacity / 2 + 64;
    if (capacity > SIZE_MAX / sizeof *table->cell) return false;
    char **cell = realloc(table->cell, capacity * sizeof *cell);
    if (cell == NULL) return false;
    table->cell = cell;
    table->capacity = capacity;
    return true;
}

void cli_table_add(cli_table *table, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = bytes >= 0 && grow_table(table) ? malloc((size_t)bytes + 1) : NULL;
    if (text == NULL) {
        table->failed = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, (size_t)bytes + 1, format, arguments);
    va_end(arguments);
    blank_controls(text); /* labels must not break the lines */
    table->cell[table->n_cells++] = text;
}

/* The columns that a terminal takes for it: two for what is wide (Chinese, emoji), none for marks
 * that combine. wcwidth would need a locale. */
static size_t count_columns(const char *text)
{
    size_t n = 0;
    utf8proc_ssize_t bytes;
    for (; *text != '\0'; text += bytes) {
        utf8proc_int32_t code_point;
        bytes = utf8proc_iterate((const utf8proc_uint8_t *)text, -1, &code_point);
        n += bytes > 0 ? (size_t)utf8proc_charwidth(code_point) : 1;
        if (bytes <= 0) bytes = 1; /* no UTF-8 */
    }
    return n;
}

static size_t column_width(const cli_table *table, size_t column)
{
    size_t width = 0;
    for (size_t i = column; i < table->n_cells; i += table->n_columns) {
        size_t n = count_columns(table->cell[i]);
        if (n > width) width = n;
    }
    return width;
}

dbt_status cli_table_print(const cli_table *table, int indent, dbt_error *err)
{
    size_t *width = calloc(table->n_columns + 1, sizeof *width);
    if (width == NULL || table->failed) {
        free(width);
        return cli_fail(err, DBT_ENOMEM, "out of memory for a table");
    }
    for (size_t column = 0; column < table->n_columns; column++)
        width[column] = column_width(table, column);
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t column = i % table->n_columns;
        bool last = column + 1 == table->n_columns || i + 1 == table->n_cells;
        int blanks = (int)(width[column] - count_columns(table->cell[i]));
        bool right = table->align[column] == 'r';
        cli_print("%*s%*s%s", column == 0 ? indent : 2, "", right ? blanks : 0, "", table->cell[i]);
        if (last)
            cli_print("\n");
        else if (!right)
            cli_print("%*s", blanks, "");
    }
    free(width);
    return DBT_OK;
}

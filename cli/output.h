/*
 * output.h: what the program prints: results to stdout, notes and progress to stderr.
 *
 * A result that could not be written must not look like success: every command ends with a
 * flush whose failure is exit 6 (main.c sees to it). A reader that went away (`| head`) is no
 * failure: it ends the program quietly. Commands that stream call cli_flush as they go, to stop
 * early.
 *
 * Text of the data (labels, file names) may hold control characters; notes show those escaped,
 * tables blanks in their place.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <dbtrain/status.h>

/* Records (status, message) in err unless it holds an earlier error, and returns status. */
dbt_status cli_fail(dbt_error *err, dbt_status status, const char *format, ...) DBT_PRINTF(3, 4);

/* --- stdout --- */

void cli_print(const char *format, ...) DBT_PRINTF(1, 2);
/* A name of the data, with blanks for control characters. */
void cli_print_name(const char *name);
/* Bytes as they are. */
void cli_write(const char *data, size_t bytes);
/* DBT_EIO: stdout cannot be written (and the message says why). DBT_EINTERRUPTED: its reader is
 * gone. */
dbt_status cli_flush(dbt_error *err) DBT_MUST_USE;
/* stdout is a pipe that nobody reads any more. */
bool cli_reader_gone(void);

/* One line of JSON; takes over the reference. NULL (jansson had no memory) is DBT_ENOMEM. */
dbt_status cli_print_json(json_t *object, dbt_error *err) DBT_MUST_USE;
/* A number, null when it is not finite; 9 significant digits are printed. */
json_t *cli_json_number(double number);
/* A string, null for NULL; bytes that are not UTF-8 become '?'. */
json_t *cli_json_text(const char *text);

/* --- stderr --- */

/* "dbtrain COMMAND: ...". The name is set once, by main.c. */
void cli_note(const char *format, ...) DBT_PRINTF(1, 2);
/* The same of a line as it is, for those whom the library tells something; no context. */
void cli_note_line(void *context, const char *line);
/* The name that notes begin with: "dbtrain" or "dbtrain COMMAND". */
void cli_name_set(const char *command);
/* Replaces the progress line, at most ten times a second; nothing where stderr is not a terminal.
 */
void cli_progress(const char *format, ...) DBT_PRINTF(1, 2);
/* Takes the progress line away; cli_print and cli_note do it by themselves. */
void cli_progress_clear(void);

/* --- for people --- */

#define CLI_NUMBER_BYTES 32
/* 25000 as "25,000". Returns buffer. */
const char *cli_thousands(char buffer[CLI_NUMBER_BYTES], int64_t number);
/* "812 bytes", "1.4 MiB". Returns buffer. */
const char *cli_bytes(char buffer[CLI_NUMBER_BYTES], int64_t bytes);
/* "document" or "documents". */
#define cli_plural(n, one, many) ((n) == 1 ? (one) : (many))

/*
 * A table with aligned columns: cells are added row by row, then printed.
 *
 *     cli_table table;
 *     cli_table_init(&table, "lr");
 *     cli_table_add(&table, "split");
 *     cli_table_add(&table, "documents");
 *     ...
 *     status = cli_table_print(&table, 2, err);
 *     cli_table_release(&table);
 */
typedef struct cli_table {
    const char *align; /* one letter a column: l or r */
    size_t n_columns;
    char **cell; /* [n_cells] */
    size_t n_cells;
    size_t capacity;
    bool failed; /* no memory for a cell */
} cli_table;

void cli_table_init(cli_table *table, const char *align);
void cli_table_release(cli_table *table);
/* The next cell; a row ends by itself. A failure is kept for cli_table_print. */
void cli_table_add(cli_table *table, const char *format, ...) DBT_PRINTF(2, 3);
/* Prints with `indent` blanks before each row and two between columns. DBT_ENOMEM. */
dbt_status cli_table_print(const cli_table *table, int indent, dbt_error *err) DBT_MUST_USE;

#endif

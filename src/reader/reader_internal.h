/* reader_internal.h: a reader from the inside, for the files that each know one format. */
#ifndef DBT_READER_INTERNAL_H
#define DBT_READER_INTERNAL_H

#include <jansson.h>

#include "stream.h"

#define DBT__NO_COLUMN SIZE_MAX

/* One field of a delimited record, as it is in the window. */
typedef struct dbt__field {
    const char *data;
    size_t bytes;
    bool quoted;
    bool doubled; /* holds "" that stand for one quote */
} dbt__field;

/* What became of the bytes at the window's beginning. */
typedef enum dbt__scan {
    DBT__SCAN_RECORD,
    DBT__SCAN_MORE, /* the record is not complete in memory */
    DBT__SCAN_TEXT_AFTER_QUOTE,
    DBT__SCAN_OPEN_QUOTE, /* the data end inside quotes */
    DBT__SCAN_TOO_MANY_FIELDS,
    DBT__SCAN_TOO_LONG
} dbt__scan;

/* Which columns hold what. Indexes are those of `column`. */
typedef struct dbt__columns {
    char *
        *name; /* [n]; of the header, or of the sampled JSON objects; NULL: columns have no names */
    size_t n;
    size_t name_capacity;
    size_t label; /* DBT__NO_COLUMN: unlabelled */
    size_t *text; /* [n_text] */
    size_t n_text;
    bool rest;     /* text is every field but the label; `text` is empty */
    size_t needed; /* fields that a row must have */
} dbt__columns;

struct dbt__reader {
    dbt__reader_options options;
    dbt__decoder *decoder;
    dbt__window window;

    char *name;       /* of the part */
    char *part_label; /* of a document in a class folder; NULL */
    bool is_document;
    bool document_read;
    const dbt__class_names *classes;
    const char *classes_name;
    dbt__format format;
    char delimiter;
    bool quoting;
    bool has_header;
    bool shows_escapes; /* the sample holds literal \n or \" */
    bool shows_quotes;  /* its fields are quoted as csv's are, which are read as they are */
    dbt__columns columns;
    char hint[64]; /* ends a message: the delimiter may be another; "" */

    dbt__field *field; /* [n_fields], of the record at the window's beginning */
    size_t n_fields, field_capacity;
    size_t record_bytes; /* of the current record, its line break included; consumed by the next
                            call */
    size_t open_quote;   /* offset of the quote that is open; or SIZE_MAX */
    size_t stop;         /* offset at which the scan gave up */
    bool has_quotes;     /* so the record may have several lines */
    json_t *json;        /* the current JSON object */
    dbt__buffer label, text, clean_label, clean_text;
    dbt__buffer in_range; /* a line of JSON with other numbers for those that are too large */
    char raw[DBT__RAW_BYTES];
    char reason[256];
    dbt__record record;
    int64_t replaced_utf8, replaced_nul;
    char said[1024];
    char label_column[96];
};

/* --- for the formats: reader.c --- */

/* The bytes of a text to be shown, at most so many, so that no character of it is cut in two. */
int dbt__cut_text(const char *text, size_t bytes, int most);
/* Makes the current record a refused row. `raw_bytes` of the window are its bytes. What is no UTF-8
 * in the reason becomes '?'. Returns DBT_OK. */
dbt_status dbt__reader_refuse(dbt__reader *reader, size_t raw_bytes, const char *format, ...)
    DBT_PRINTF(3, 4);
/* Makes it a document, or refuses it for its label: cleans, looks up the class name. `label.data`
 * NULL: none. */
dbt_status dbt__reader_emit(dbt__reader *reader, dbt_text label, dbt_text text,
                            dbt_error *err) DBT_MUST_USE;
/* Refuses a record that is longer than max_document. */
dbt_status dbt__reader_refuse_long(dbt__reader *reader);

/* --- detect.c --- */

/* DBT_EDATA when the sample is no text in UTF-8 or whatever was asked for; *advice is static. */
const char *dbt__detect_foreign(const char *sample, size_t bytes, bool decoded);
/* Begins as an array of objects does, which is JSON but not JSON Lines. */
bool dbt__detect_array(const char *sample, size_t bytes);
/* Lines of a .txt that have no label are plain text, which is read as TSV is: without quotes. */
dbt__format dbt__detect_format(const char *name, const char *sample, size_t bytes,
                               const dbt__reader_options *options);
bool dbt__name_is_packed(const char *name);
bool dbt__name_has_format(const char *name, dbt__format *format);
/* --- columns.c --- */

void dbt__columns_release(dbt__columns *columns);
dbt_status dbt__columns_add(dbt__columns *columns, const char *name, size_t bytes,
                            dbt_error *err) DBT_MUST_USE;
/* Is this a name that detection knows, or one that the options give? */
bool dbt__columns_is_known(const dbt__reader_options *options, dbt_text name);
/* Chooses label and text columns. DBT_EUSAGE: no such column; DBT_EDATA: none that can be
 * recognised. */
dbt_status dbt__columns_choose(dbt__reader *reader, dbt_error *err) DBT_MUST_USE;
/* "label = column 1, text = 'title', 'body'" */
void dbt__columns_say(const dbt__columns *columns, char *text, size_t bytes);
/* "column 1"; "" where there is no label. */
void dbt__columns_say_label(const dbt__columns *columns, char *text, size_t bytes);

/* --- the formats; next: DBT_OK with reader->record, DBT_DONE --- */

dbt_status dbt__delimited_start(dbt__reader *reader, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__delimited_next(dbt__reader *reader, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__jsonl_start(dbt__reader *reader, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__jsonl_next(dbt__reader *reader, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__fasttext_next(dbt__reader *reader, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__document_next(dbt__reader *reader, dbt_error *err) DBT_MUST_USE;

#endif

/*
 * fuzz_csv_round_trip.c: fields that are quoted by RFC 4180 and read again are what they were.
 *
 * Byte 0 is the chunk size; the rest are texts, each ended by a zero byte, quoted where they must
 * be or, after a first byte with its low bit set, anyway.
 */
#include "records.h"
#include "utf8.h"

typedef struct expected {
    const char *at; /* the texts as they must come, each after its length as a size_t */
    size_t left;
} expected;

static void put_field(dbt__buffer *csv, dbt_text text, bool quote)
{
    fuzz_check(dbt__buffer_append(csv, "label,", 6, NULL) == DBT_OK);
    if (quote) fuzz_check(dbt__buffer_append(csv, "\"", 1, NULL) == DBT_OK);
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] == '"') fuzz_check(dbt__buffer_append(csv, "\"", 1, NULL) == DBT_OK);
        fuzz_check(dbt__buffer_append(csv, text.data + i, 1, NULL) == DBT_OK);
    }
    fuzz_check(dbt__buffer_append(csv, quote ? "\"\r\n" : "\n", quote ? 3 : 1, NULL) == DBT_OK);
}

static bool needs_quotes(dbt_text text)
{
    for (size_t i = 0; i < text.bytes; i++)
        if (strchr(",\"\r\n", text.data[i]) != NULL) return true;
    return false;
}

static void compare_record(void *context, const dbt__record *record)
{
    expected *left = context;
    size_t bytes;
    fuzz_check(record->reason == NULL);
    fuzz_check(left->left >= sizeof bytes);
    memcpy(&bytes, left->at, sizeof bytes);
    fuzz_check(record->text.bytes == bytes);
    fuzz_check(bytes == 0 || memcmp(record->text.data, left->at + sizeof bytes, bytes) == 0);
    left->at += sizeof bytes + bytes;
    left->left -= sizeof bytes + bytes;
}

/* Takes a text off the input: into the file, and into what must come out of it. */
static void put_text(fuzz_input *input, dbt__buffer *csv, dbt__buffer *texts)
{
    bool quote = (fuzz_byte(input) & 1) != 0;
    const uint8_t *end = memchr(input->data, 0, input->bytes);
    size_t bytes = end == NULL ? input->bytes : (size_t)(end - input->data);
    const dbt_text text = {(const char *)input->data, bytes};
    dbt__buffer clean;
    int64_t replaced = 0, nuls = 0;
    dbt__buffer_init(&clean, 0);
    fuzz_check(dbt__utf8_clean(text.data, text.bytes, &clean, &replaced, &nuls, NULL) == DBT_OK);
    put_field(csv, text, quote || needs_quotes(text));
    fuzz_check(dbt__buffer_append(texts, (const char *)&clean.length, sizeof clean.length, NULL) ==
               DBT_OK);
    if (clean.length > 0)
        fuzz_check(dbt__buffer_append(texts, clean.data, clean.length, NULL) == DBT_OK);
    dbt__buffer_release(&clean);
    input->data += bytes + (end != NULL);
    input->bytes -= bytes + (end != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = {data, bytes};
    dbt__buffer csv, texts;
    dbt_error err = {0};
    dbt__reader_options options;
    dbt__buffer_init(&csv, 0);
    dbt__buffer_init(&texts, 0);
    dbt__reader_options_init(&options);
    options.format = DBT__CSV;
    options.header = DBT__HEADER_YES;
    options.chunk = 1 + fuzz_byte(&input);
    options.sample = 16; /* that the texts are no text is not what is tried here */
    fuzz_check(dbt__buffer_append(&csv, "label,text\n", 11, NULL) == DBT_OK);
    while (input.bytes > 0)
        put_text(&input, &csv, &texts);
    expected left = {texts.data, texts.length};
    fuzz_ok(fuzz_read(csv.data, csv.length, &options, compare_record, &left, &err), err);
    fuzz_check(left.left == 0);
    dbt__buffer_release(&csv);
    dbt__buffer_release(&texts);
    return 0;
}

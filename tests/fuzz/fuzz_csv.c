/*
 * fuzz_csv.c: bytes as csv, tsv or fastText: whatever they are, the same records at every chunk
 * size.
 *
 * Byte 0 is the chunk size, byte 1 the options.
 */
#include "records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const dbt__format formats[] = {DBT__CSV, DBT__TSV, DBT__FASTTEXT, DBT__DETECT};
    fuzz_input input = {data, bytes};
    size_t chunk = 1 + fuzz_byte(&input);
    unsigned flags = fuzz_byte(&input);
    static const char *const first[] = {"1"};
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.format = formats[flags & 3];
    options.header = (dbt__header)((flags >> 2 & 3) % 3);
    options.unescape = (flags & 16) != 0;
    if ((flags & 32) != 0) options.max_document = 40;
    if ((flags & 64) != 0 && (flags & 3) < 2) {
        options.label_column = "none";
        options.text_column = first;
        options.n_text_columns = 1;
    }
    fuzz_compare_chunks((const char *)input.data, input.bytes, &options, chunk);
    return 0;
}

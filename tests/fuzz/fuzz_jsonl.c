/* fuzz_jsonl.c: bytes as JSON Lines: the same records at every chunk size. Byte 0 is the chunk
 * size, byte 1 the options. */
#include "records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = {data, bytes};
    size_t chunk = 1 + fuzz_byte(&input);
    unsigned flags = fuzz_byte(&input);
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.format = DBT__JSONL;
    if ((flags & 1) != 0) options.max_document = 64;
    if ((flags & 2) != 0) options.label_column = (flags & 4) != 0 ? "label" : "none";
    fuzz_compare_chunks((const char *)input.data, input.bytes, &options, chunk);
    return 0;
}

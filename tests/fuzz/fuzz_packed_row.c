/*
 * fuzz_packed_row.c: bytes as a packed row: refused, or columns that ascend within the vocabulary.
 *
 * Byte 0 chooses the vectorizer; the rest is the row.
 */
#include "small_vectorizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static dbt_batch *batch;
    fuzz_input input = {data, bytes};
    dbt_error err = {0};
    const dbt_vectorizer *vectorizer =
        small_vectorizer((small_kind)(fuzz_byte(&input) % SMALL_KINDS));
    char *copy = fuzz_copy(input.data, input.bytes);
    const dbt_packed_row row[] = {{(const unsigned char *)copy, input.bytes},
                                  {(const unsigned char *)copy, input.bytes}};
    if (batch == NULL) fuzz_ok(dbt_batch_new(&batch, &err), err);
    dbt_status status = dbt_unpack(vectorizer, row, 2, NULL, batch, &err);
    if (status < 0) {
        fuzz_refused(status, &err);
    } else {
        fuzz_check(batch->n_rows == 2 && batch->row_start[2] == 2 * batch->row_start[1]);
        for (size_t i = 0; i < batch->row_start[1]; i++) {
            fuzz_check(batch->column[i] < dbt_vectorizer_features(vectorizer));
            fuzz_check(i == 0 || batch->column[i] > batch->column[i - 1]);
        }
    }
    free(copy);
    return 0;
}

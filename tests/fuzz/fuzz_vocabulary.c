/*
 * fuzz_vocabulary.c: bytes as a stored part of a vocabulary, whose sum is made right: refused, or a
 * vectorizer that works.
 *
 * In place of the sum, byte 0: bit 0 keeps the terms in a file, bit 1 chooses a hashing vectorizer,
 * which has no parts.
 */
#include <math.h>

#include "scratch_folder.h"
#include "small_vectorizer.h"

static dbt_vectorizer *begin_loading(const dbt_vectorizer *from, bool in_file)
{
    dbt_vectorizer *loading;
    dbt_error err = {0};
    dbt_vectorizer_options options = *dbt_vectorizer_get_options(from);
    if (in_file) {
        options.memory = 1 << 20;
        options.table_memory = 1;
        options.spill_folder = scratch_path("");
    }
    fuzz_ok(dbt_vectorizer_load_new(&options, dbt_vectorizer_documents(from),
                                    dbt_vectorizer_terms(from), &loading, &err),
            err);
    for (size_t i = 0; options.hash_bits == 0 && i < dbt_vectorizer_features(from); i++) {
        dbt_feature feature = dbt_vectorizer_feature(from, i);
        fuzz_ok(dbt_vectorizer_load_feature(loading, &feature, &err), err);
    }
    return loading;
}

static void use_whole(const dbt_vectorizer *vectorizer)
{
    dbt_transformer *transformer;
    dbt_error err = {0};
    fuzz_ok(dbt_transformer_new(vectorizer, &transformer, &err), err);
    for (size_t i = 0; i < SMALL_TEXTS; i++) {
        const uint32_t *column;
        const double *value;
        size_t n;
        fuzz_ok(dbt_transform_text(transformer, small_text[i], &column, &value, &n, &err), err);
        for (size_t e = 0; e < n; e++)
            fuzz_check(isfinite(value[e]) && column[e] < dbt_vectorizer_features(vectorizer));
    }
    dbt_transformer_free(transformer);
}

/* Norms first, then rows. */
static void use_in_file(const dbt_vectorizer *vectorizer)
{
    const dbt_corpus corpus = small_corpus();
    dbt_transformer *transformer;
    dbt_norms *norms;
    dbt_batch *batch;
    dbt_error err = {0};
    double norm[SMALL_TEXTS];
    fuzz_ok(dbt_norms_new(vectorizer, &corpus, small_pool(), 1 << 20, &norms, &err), err);
    fuzz_ok(dbt_norms_read(norms, 0, SMALL_TEXTS, norm, &err), err);
    fuzz_ok(dbt_transformer_new(vectorizer, &transformer, &err), err);
    fuzz_ok(dbt_batch_new(&batch, &err), err);
    for (size_t i = 0; i < SMALL_TEXTS; i++) {
        dbt_packed_row row;
        fuzz_ok(dbt_pack_text(transformer, small_text[i], &norm[i], &row, &err), err);
        fuzz_ok(dbt_unpack(vectorizer, &row, 1, NULL, batch, &err), err);
        for (size_t e = 0; e < batch->row_start[1]; e++)
            fuzz_check(isfinite(batch->value[e]));
    }
    dbt_batch_free(batch);
    dbt_transformer_free(transformer);
    dbt_norms_free(norms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    dbt_error err = {0};
    unsigned flags = bytes > 0 ? data[0] : 0;
    small_kind kind = (flags & 2) != 0 ? SMALL_HASHED : SMALL_WORDS;
    dbt_vectorizer *loading = begin_loading(small_vectorizer(kind), (flags & 1) != 0);
    unsigned char *part = (unsigned char *)fuzz_copy(data, bytes);
    if (bytes >= 8) {
        uint64_t digest = dbt__hash(part + 8, bytes - 8, 0);
        for (int i = 0; i < 8; i++)
            part[i] = (unsigned char)(digest >> (8 * i));
    }
    dbt_status status = dbt_vectorizer_load_part(loading, part, bytes, &err);
    if (status == DBT_OK) status = dbt_vectorizer_load_finish(loading, &err);
    if (status < 0)
        fuzz_refused(status, &err);
    else if (dbt_vectorizer_is_whole(loading))
        use_whole(loading);
    else
        use_in_file(loading);
    dbt_vectorizer_free(loading);
    free(part);
    return 0;
}

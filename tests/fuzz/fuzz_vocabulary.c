/*
 * fuzz_vocabulary.c: bytes as a stored part of a vocabulary, whose sum is made right: refused, or a
 * vectorizer that works.
 */
#include <math.h>

#include "small_vectorizer.h"

static dbt_vectorizer *begin_loading(const dbt_vectorizer *from)
{
    dbt_vectorizer *loading;
    dbt_error err = {0};
    fuzz_ok(dbt_vectorizer_load_new(dbt_vectorizer_get_options(from),
                                    dbt_vectorizer_documents(from), dbt_vectorizer_terms(from),
                                    &loading, &err),
            err);
    for (size_t i = 0; i < dbt_vectorizer_features(from); i++) {
        dbt_feature feature = dbt_vectorizer_feature(from, i);
        fuzz_ok(dbt_vectorizer_load_feature(loading, &feature, &err), err);
    }
    return loading;
}

static void use_vectorizer(const dbt_vectorizer *vectorizer)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    dbt_error err = {0};
    dbt_vectorizer *loading = begin_loading(small_vectorizer());
    unsigned char *part = (unsigned char *)fuzz_copy(data, bytes);
    if (bytes >= 8) {
        uint64_t digest = dbt__hash(part + 8, bytes - 8, 0);
        for (int i = 0; i < 8; i++)
            part[i] = (unsigned char)(digest >> (8 * i));
    }
    dbt_status status = dbt_vectorizer_load_part(loading, part, bytes, &err);
    if (status == DBT_OK) status = dbt_vectorizer_load_finish(loading, &err);
    if (status == DBT_OK)
        use_vectorizer(loading);
    else
        fuzz_refused(status, &err);
    dbt_vectorizer_free(loading);
    free(part);
    return 0;
}

/*
 * fuzz_database.c: a whole database: refused, or what it says of itself is read and its model
 * predicts what the undamaged one does, or a split is evaluated.
 *
 * Byte 0, bit 0 not set: the rest is the file, whose header is made to say that it is dbtrain's.
 * Set: the rest are patches of a fitted file: page, place in the page (2 bytes), kind, value. Bit
 * 1: the file is written to rather than read. Bit 2: it says that it is of the first version, not
 * of the latest.
 */
#include <sys/stat.h>

#include <sqlite3.h>

#include <dbtrain/ingest.h>
#include <dbtrain/train.h>

#include "scratch_folder.h"

enum { MAX_IMAGE = 1 << 20, PAGE = 16384, TEXTS = 2 };

static const char corpus[] = "pos,a good film and a good cast\nneg,a bad film and a dull plot\n"
                             "pos,good fun with a fine plot\nneg,dull and bad from start to end\n"
                             "pos,a fine cast in a fine film\nneg,bad cast and bad fun\n";

static unsigned char base[MAX_IMAGE], image[MAX_IMAGE];
static size_t base_bytes;
static float expected[TEXTS][2];
static dbt_page *page;

static void predict(dbt_model *model, float probability[TEXTS][2])
{
    dbt_error err = {0};
    const float *row;
    fuzz_check(dbt_model_get_info(model).n_labels == 2);
    fuzz_ok(dbt_model_predict(model, page, &row, &err), err);
    memcpy(probability, row, sizeof expected);
}

/* A file whose pages are smaller than the store's: the base has more of them, in fewer bytes. */
static void make_blank(const char *path)
{
    sqlite3 *file;
    fuzz_check(sqlite3_open(path, &file) == SQLITE_OK);
    fuzz_check(sqlite3_exec(file, "PRAGMA page_size = 16384; VACUUM", NULL, NULL, NULL) ==
               SQLITE_OK);
    fuzz_check(sqlite3_close(file) == SQLITE_OK);
}

static void fit_base(const char *path)
{
    dbt_error err = {0};
    dbt_store *store;
    dbt_ingest_options ingest;
    dbt_ingest_result ingested;
    dbt_fit_options fit;
    dbt_fit_result fitted;
    const char *csv = scratch_path("train.csv");
    scratch_write(csv, corpus, sizeof corpus - 1);
    make_blank(path);
    fuzz_ok(dbt_store_open(path, DBT_STORE_CREATE, &store, &err), err);
    dbt_ingest_options_init(&ingest);
    ingest.header = DBT_HEADER_NO;
    fuzz_ok(dbt_ingest(store, &csv, 1, &ingest, &ingested, &err), err);
    dbt_fit_options_init(&fit);
    fit.validation = "train";
    fit.batch_size = 2;
    fit.epochs = 2;
    fit.threads = 1;
    fit.network.units = 2;
    fuzz_ok(dbt_fit(store, &fit, NULL, &fitted, &err), err);
    fuzz_ok(dbt_store_close(store, &err), err);
}

static void make_base(void)
{
    dbt_error err = {0};
    dbt_store *store;
    dbt_model *model;
    const char *path = scratch_path("base.db");
    fit_base(path);
    FILE *file = fopen(path, "rb");
    fuzz_check(file != NULL);
    base_bytes = fread(base, 1, sizeof base, file);
    fuzz_check(base_bytes > PAGE && base_bytes < sizeof base && fclose(file) == 0);
    fuzz_ok(dbt_page_new(&page, &err), err);
    fuzz_ok(dbt_page_append(page, (dbt_text){"a good film", 11}, 1, 0, 1, &err), err);
    fuzz_ok(dbt_page_append(page, (dbt_text){"dull", 4}, 2, 0, 1, &err), err);
    fuzz_ok(dbt_store_open(path, DBT_STORE_READ, &store, &err), err);
    fuzz_ok(dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, &err), err);
    predict(model, expected);
    dbt_model_close(model);
    fuzz_ok(dbt_store_close(store, &err), err);
}

static void patch_image(fuzz_input *input)
{
    size_t at = (size_t)fuzz_byte(input) * PAGE + fuzz_number(input, 2) % PAGE;
    unsigned kind = fuzz_byte(input) % 4;
    unsigned char value = fuzz_byte(input);
    at %= base_bytes;
    if (kind == 0)
        image[at] = value;
    else if (kind == 1)
        image[at] ^= (unsigned char)(1 << (value % 8));
    else if (kind == 2)
        memset(image + at, value, base_bytes - at < 16 ? base_bytes - at : 16);
    else
        memcpy(image + at / PAGE * PAGE, base + value * PAGE % base_bytes / PAGE * PAGE, PAGE);
}

/* Where SQLite's header has user_version and application_id. */
enum { AT_VERSION = 60, AT_ID = 68, HEADER = 100 };

/* Gives the length of the image. */
static size_t make_image(fuzz_input *input, bool patched, bool first_version)
{
    static const unsigned char first[] = {0, 0, 0, 1};
    size_t bytes = base_bytes;
    memcpy(image, base, base_bytes);
    if (patched) {
        while (input->bytes > 0)
            patch_image(input);
    } else {
        bytes = input->bytes < MAX_IMAGE ? input->bytes : MAX_IMAGE;
        if (bytes > 0) memcpy(image, input->data, bytes);
    }
    if (bytes < HEADER) return bytes;
    /* Without a log, which would not be here. */
    image[18] = image[19] = 1;
    if (!patched || first_version)
        memcpy(image + AT_VERSION, first_version ? first : base + AT_VERSION, sizeof first);
    if (!patched) memcpy(image + AT_ID, base + AT_ID, 4);
    return bytes;
}

/* Any status but that of a bug; true when it is a success. */
static bool passes(dbt_status status, const dbt_error *err)
{
    if (status == DBT_OK) return true;
    fuzz_refused(status, err);
    return false;
}

static void use_as_reader(const char *path, bool patched)
{
    dbt_error err = {0}, info_err = {0}, model_err = {0};
    dbt_store *store = NULL;
    dbt_model *model = NULL;
    dbt_info info;
    float probability[TEXTS][2];
    if (!passes(dbt_store_open(path, DBT_STORE_READ, &store, &err), &err)) return;
    (void)passes(dbt_info_read(store, &info, &info_err), &info_err);
    dbt_info_release(&info);
    if (passes(dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, &model_err), &model_err)) {
        predict(model, probability);
        fuzz_check(!patched || memcmp(probability, expected, sizeof expected) == 0);
    }
    dbt_model_close(model);
    (void)dbt_store_close(store, NULL);
}

static void use_as_writer(const char *path)
{
    dbt_error err = {0}, model_err = {0}, report_err = {0};
    dbt_store *store = NULL;
    dbt_model *model = NULL;
    dbt_report report;
    if (!passes(dbt_store_open(path, DBT_STORE_WRITE, &store, &err), &err)) return;
    if (passes(dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, &model_err), &model_err)) {
        (void)passes(dbt_evaluate(store, model, "train", 1, NULL, &report, &report_err),
                     &report_err);
        dbt_report_release(&report);
    }
    dbt_model_close(model);
    (void)dbt_store_close(store, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = {data, bytes};
    unsigned flags = fuzz_byte(&input);
    bool patched = (flags & 1) != 0, writing = (flags & 2) != 0;
    if (page == NULL) make_base();
    size_t length = make_image(&input, patched, (flags & 4) != 0);
    const char *path = scratch_path("image.db");
    (void)unlink(scratch_path("image.db-journal"));
    scratch_write(path, image, length);
    if (writing)
        use_as_writer(path);
    else
        use_as_reader(path, patched);
    return 0;
}

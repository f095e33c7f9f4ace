/*
 * fuzz_archive.c: bytes as an archive or a compressed file: refused, or parts that are named, read
 * to their ends and digested, the same ones when they are asked for twice, the digests those that
 * are known before.
 *
 * Byte 0: bits 0 and 1 are the format; bit 2: the rest is the file; else the entries of a tar:
 * length and name, kind and length of the content (2 bytes), content.
 */
#include "records.h"

enum { BLOCK = 512, MAX_NAME = 100, MAX_TAR = 1 << 16, MAX_ENTRIES = 24 };

typedef struct tar_file {
    char data[MAX_TAR];
    size_t bytes;
} tar_file;

static void write_octal(char *to, size_t digits, size_t number)
{
    (void)snprintf(to, digits + 1, "%0*zo", (int)digits, number);
}

/* A header of POSIX ustar. */
static void write_header(char *to, const char *name, char kind, size_t bytes)
{
    size_t sum = 0;
    memcpy(to, name, strnlen(name, MAX_NAME));
    write_octal(to + 100, 7, 0644);
    write_octal(to + 124, 11, bytes);
    to[156] = kind;
    if (kind == '1' || kind == '2') memcpy(to + 157, "a/b.txt", 7);
    memcpy(to + 257, "ustar\00000", 8);
    memset(to + 148, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)to[i];
    write_octal(to + 148, 6, sum);
}

/* One entry; false when it does not fit. */
static bool write_entry(tar_file *tar, fuzz_input *input)
{
    /* Files, mostly; a hard link, a symbolic one, a folder. */
    static const char kinds[] = "0000012500000000";
    char name[MAX_NAME + 1] = "";
    size_t name_bytes = fuzz_byte(input) % (MAX_NAME + 1);
    for (size_t i = 0; i < name_bytes; i++)
        name[i] = (char)fuzz_byte(input);
    uint64_t number = fuzz_number(input, 2);
    char kind = kinds[number >> 12];
    size_t bytes = kind == '0' ? number & 0xfff : 0;
    if (bytes > input->bytes) bytes = input->bytes;
    size_t whole = BLOCK + (bytes + BLOCK - 1) / BLOCK * BLOCK;
    if (tar->bytes + whole + 2 * BLOCK > MAX_TAR) return false;
    write_header(tar->data + tar->bytes, name, kind, bytes);
    if (bytes > 0) memcpy(tar->data + tar->bytes + BLOCK, input->data, bytes);
    input->data += bytes;
    input->bytes -= bytes;
    tar->bytes += whole;
    return true;
}

static const char *make_file(fuzz_input *input, bool given)
{
    static tar_file tar;
    if (given) return fuzz_file((const char *)input->data, input->bytes);
    memset(&tar, 0, sizeof tar);
    for (int i = 0; i < MAX_ENTRIES && input->bytes > 0 && write_entry(&tar, input); i++)
        continue;
    tar.bytes += 2 * BLOCK;
    return fuzz_file(tar.data, tar.bytes);
}

/* What is found in a file. */
typedef struct contents {
    fuzz_records records;
    int64_t parts;
    uint64_t digest; /* over names, splits, labels and digests of the parts */
    dbt_status status;
    dbt_error err;
} contents;

static void digest_string(uint64_t *digest, const char *text)
{
    fuzz_digest_text(digest, (dbt_text){text, text == NULL ? 0 : strlen(text)});
}

static dbt_status read_part(dbt__catalog *catalog, dbt__reader *reader, const dbt__part *part,
                            contents *c)
{
    dbt__stream *stream;
    const dbt__record *record;
    int64_t bytes;
    uint64_t digest, before;
    bool changed, known;
    c->records.line = 0;
    dbt_status status = dbt__catalog_digest(catalog, &before, &known, &c->err);
    if (status == DBT_OK) status = dbt__catalog_stream(catalog, &stream, &c->err);
    if (status == DBT_OK) status = dbt__reader_start(reader, stream, part, &c->err);
    while (status == DBT_OK && (status = dbt__reader_next(reader, &record, &c->err)) == DBT_OK)
        fuzz_take_record(&c->records, record);
    if (status != DBT_DONE) return status;
    status = dbt__stream_finish(stream, &bytes, &digest, &changed, &c->err);
    if (status < 0) return status;
    fuzz_check(!changed && bytes >= 0);
    fuzz_check(!known || before == digest);
    c->digest = dbt__hash(&digest, sizeof digest, c->digest);
    return DBT_OK;
}

static dbt_status read_parts(dbt__catalog *catalog, dbt__reader *reader, contents *c)
{
    const dbt__part *part;
    dbt_status status;
    while ((status = dbt__catalog_next(catalog, &part, &c->err)) == DBT_OK) {
        fuzz_check(part->name != NULL && part->name[0] != '\0' && part->split != NULL);
        fuzz_check(part->label == NULL || (part->is_document && part->label[0] != '\0'));
        digest_string(&c->digest, part->name);
        digest_string(&c->digest, part->split);
        digest_string(&c->digest, part->label);
        c->parts++;
        status = read_part(catalog, reader, part, c);
        if (status < 0) break;
    }
    return status;
}

static void read_contents(const char *path, const dbt__reader_options *options, contents *c)
{
    dbt__catalog *catalog = NULL;
    dbt__reader *reader = NULL;
    *c = (contents){0};
    c->status =
        dbt__catalog_open(path, options->format, true, (dbt__waiting){0}, &catalog, &c->err);
    if (c->status == DBT_OK) c->status = dbt__reader_new(options, &reader, &c->err);
    if (c->status == DBT_OK) c->status = read_parts(catalog, reader, c);
    if (c->status < 0) fuzz_refused(c->status, &c->err);
    dbt__reader_free(reader);
    dbt__catalog_close(catalog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const dbt__format formats[] = {DBT__DETECT, DBT__FOLDER, DBT__CSV, DBT__JSONL};
    fuzz_input input = {data, bytes};
    unsigned flags = fuzz_byte(&input);
    contents first, second;
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.format = formats[flags & 3];
    options.max_document = 1 << 12;
    options.chunk = 4096;
    const char *path = make_file(&input, (flags & 4) != 0);
    read_contents(path, &options, &first);
    options.chunk = 61;
    read_contents(path, &options, &second);
    fuzz_check(first.status == second.status && first.parts == second.parts);
    fuzz_check(strcmp(first.err.message, second.err.message) == 0);
    fuzz_check(first.digest == second.digest && first.records.digest == second.records.digest);
    return 0;
}

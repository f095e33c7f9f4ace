/*
 * replay.c: a fuzz target as a test: replay FOLDER MUTATIONS.
 *
 * Runs the target over every file of its seed corpus, in the order of their names, and over so many
 * mutations of each, which are functions of the file's place and the mutation's number.
 */
#include <dirent.h>

#include "fuzz.h"

#define MAX_INPUT (1 << 16)
#define MOST_CHANGES 6

static size_t read_input(const char *folder, const char *name, uint8_t *data)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    fuzz_check(file != NULL);
    size_t bytes = fread(data, 1, MAX_INPUT, file);
    fuzz_check(ferror(file) == 0);
    (void)fclose(file);
    return bytes;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static uint8_t random_byte(uint64_t key, uint64_t n)
{
    /* Bytes that mean something to some parser, as often as any others. */
    static const uint8_t meant[] =
        "\0\n\r\t ,\"'\\{}[]:0123456789-+.eE_aZ=\x7f\x80\xbf\xc3\xe2\xed\xf0\xff";
    uint64_t random = dbt__random(key, n);
    return (random & 1) != 0 ? (uint8_t)(random >> 8) : meant[(random >> 8) % (sizeof meant - 1)];
}

/* One change of `data` in place: a bit, a byte, a piece out, a piece twice, or the end off. */
static size_t change_input(uint8_t *data, size_t bytes, uint64_t key)
{
    size_t at = (size_t)dbt__random_below(key, 0, bytes + 1);
    size_t piece = (size_t)dbt__random_below(key, 1, bytes - at < 16 ? bytes - at + 1 : 16);
    switch (dbt__random_below(key, 2, 6)) {
    case 0:
        if (at < bytes) data[at] ^= (uint8_t)(1u << dbt__random_below(key, 3, 8));
        return bytes;
    case 1:
    case 2:
        if (at < bytes) data[at] = random_byte(key, 4);
        return bytes;
    case 3:
        memmove(data + at, data + at + piece, bytes - at - piece);
        return bytes - piece;
    case 4:
        if (bytes + piece > MAX_INPUT) return bytes;
        memmove(data + at + piece, data + at, bytes - at);
        return bytes + piece;
    default:
        return dbt__random_below(key, 5, 8) == 0 ? at : bytes;
    }
}

static void run_input(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = (uint8_t *)fuzz_copy(data, bytes);
    (void)LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
}

int main(int argc, char **argv)
{
    static uint8_t data[MAX_INPUT], changed[MAX_INPUT];
    struct dirent **entry;
    fuzz_check(argc == 3);
    int n = scandir(argv[1], &entry, is_input, alphasort);
    fuzz_check(n > 0);
    for (int i = 0; i < n; i++) {
        size_t bytes = read_input(argv[1], entry[i]->d_name, data);
        run_input(data, bytes);
        for (long m = 0; m < strtol(argv[2], NULL, 10); m++) {
            uint64_t key = (uint64_t)i << 32 | (uint64_t)m;
            size_t length = bytes, changes = 1 + dbt__random_below(key, 0, MOST_CHANGES);
            memcpy(changed, data, bytes);
            for (size_t c = 0; c < changes; c++)
                length = change_input(changed, length, dbt__random(key, c + 1));
            run_input(changed, length);
        }
        free(entry[i]);
    }
    free(entry);
    printf("%d inputs\n", n);
    return 0;
}

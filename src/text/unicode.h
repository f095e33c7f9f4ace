/*
 * unicode.h: what the analyzers need of Unicode: strict decoding, Python's lower(), NFKD without
 * marks.
 *
 * Everything here is a function of a code point, but for the lower case of Greek capital sigma,
 * which depends on its neighbours.
 */
#ifndef DBT_TEXT_UNICODE_H
#define DBT_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No code point becomes more than this many: U+FDFA's 18 are the longest decomposition. */
#define DBT__MAPPED_MAX 32
#define DBT__CAPITAL_SIGMA 0x3A3
#define DBT__REPLACEMENT 0xFFFD

/*
 * Decodes the code point at `data`, of which `bytes` (at least 1) are there, and returns its
 * length. An invalid sequence gives U+FFFD and the length of its maximal subpart (Unicode 15,
 * section 3.9): what Python's decode(errors='replace') replaces at once.
 */
size_t dbt__decode(const char *data, size_t bytes, uint32_t *code_point);
/* Writes 1 to 4 bytes; returns how many. */
size_t dbt__encode(uint32_t code_point, char *data);

/*
 * Python's lower() of one code point, if `lowercase`, then if `strip` NFKD without the code points
 * whose canonical combining class is not 0. Returns how many code points there are in `mapped`; 0
 * is possible. A capital sigma is lowered as one within a word.
 */
size_t dbt__map_code_point(uint32_t code_point, bool lowercase, bool strip,
                           uint32_t mapped[DBT__MAPPED_MAX]);
/* Python's rule: a cased code point before the sigma at `at`, none behind it, case-ignorable ones
 * not looked at. */
bool dbt__is_final_sigma(const char *data, size_t bytes, size_t at);
/* Python's \w: categories L and N, and the underscore. */
bool dbt__is_word(uint32_t code_point);
/* "15.0.0": the version of Unicode that all of this follows; static. */
const char *dbt__unicode_version(void);
/* Length of the white space (Python's str.isspace) at `data`, valid UTF-8; 0: it is none. */
size_t dbt__space_length(const char *data, size_t bytes);

#endif

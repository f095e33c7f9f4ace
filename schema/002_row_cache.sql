-- Vectorized rows that are kept between epochs and runs (fit --cache). What a cache is valid for is in its row; it is
-- used once it is 'filled'.

CREATE TABLE row_cache (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    vectorizer_id INTEGER NOT NULL REFERENCES vectorizer (id) ON DELETE CASCADE,
    split_id      INTEGER NOT NULL REFERENCES split (id) ON DELETE CASCADE,
    documents     INTEGER NOT NULL,
    fingerprint   TEXT NOT NULL,
    status        TEXT NOT NULL CHECK (status IN ('filling', 'filled')),
    created_at    TEXT NOT NULL DEFAULT (datetime('now')),
    UNIQUE (vectorizer_id, split_id)
) STRICT;

CREATE TABLE row_block (
    row_cache_id INTEGER NOT NULL REFERENCES row_cache (id) ON DELETE CASCADE,
    block        INTEGER NOT NULL CHECK (block >= 0),
    value        BLOB NOT NULL,
    digest       TEXT NOT NULL,
    PRIMARY KEY (row_cache_id, block)
) STRICT;

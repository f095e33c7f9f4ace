-- Tables of version 1. Names are a contract: see README.md. Times are UTC, as datetime('now') gives.

CREATE TABLE source (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    name              TEXT NOT NULL,
    format            TEXT NOT NULL,
    status            TEXT NOT NULL CHECK (status IN ('loading', 'loaded', 'refused')),
    documents         INTEGER NOT NULL DEFAULT 0,
    rejected          INTEGER NOT NULL DEFAULT 0,
    first_document_id INTEGER,
    last_document_id  INTEGER,
    ingested_at       TEXT NOT NULL DEFAULT (datetime('now')),
    split             TEXT,
    bytes             INTEGER,
    digest            TEXT
) STRICT;
CREATE INDEX source_by_name ON source (name);

CREATE TABLE split (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    name      TEXT NOT NULL UNIQUE,
    documents INTEGER NOT NULL DEFAULT 0,
    origin    TEXT
) STRICT;

CREATE TABLE label (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (name <> '')
) STRICT;

CREATE TABLE document (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    label_id    INTEGER REFERENCES label (id),
    weight      REAL NOT NULL DEFAULT 1.0,
    source_id   INTEGER REFERENCES source (id),
    source_line INTEGER,
    text        TEXT NOT NULL
) STRICT;

CREATE TABLE split_document (
    split_id    INTEGER NOT NULL REFERENCES split (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL CHECK (position >= 0),
    document_id INTEGER NOT NULL REFERENCES document (id) ON DELETE CASCADE,
    PRIMARY KEY (split_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX split_document_by_document ON split_document (document_id);

CREATE TABLE reject (
    id        INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    line      INTEGER,
    reason    TEXT NOT NULL,
    raw       BLOB
) STRICT;
CREATE INDEX reject_by_source ON reject (source_id);

CREATE TABLE vectorizer (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    settings    TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    documents   INTEGER NOT NULL,
    terms       INTEGER NOT NULL,
    digest      TEXT NOT NULL,
    created_at  TEXT NOT NULL DEFAULT (datetime('now'))
) STRICT;

CREATE TABLE feature (
    vectorizer_id      INTEGER NOT NULL REFERENCES vectorizer (id) ON DELETE CASCADE,
    id                 INTEGER NOT NULL CHECK (id >= 0),
    term               TEXT NOT NULL,
    document_frequency INTEGER NOT NULL,
    idf                REAL NOT NULL,
    score              REAL,
    PRIMARY KEY (vectorizer_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE vocabulary (
    vectorizer_id INTEGER NOT NULL REFERENCES vectorizer (id) ON DELETE CASCADE,
    part          INTEGER NOT NULL CHECK (part >= 0),
    value         BLOB NOT NULL,
    digest        TEXT NOT NULL,
    PRIMARY KEY (vectorizer_id, part)
) STRICT;

CREATE TABLE run (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    name                TEXT UNIQUE,
    vectorizer_id       INTEGER REFERENCES vectorizer (id),
    status              TEXT NOT NULL
                        CHECK (status IN ('running', 'finished', 'interrupted', 'diverged', 'failed')),
    seed                INTEGER NOT NULL,
    settings            TEXT NOT NULL,
    train_split_id      INTEGER,
    validation_split_id INTEGER,
    started_at          TEXT NOT NULL DEFAULT (datetime('now')),
    finished_at         TEXT,
    best_epoch          INTEGER,
    message             TEXT
) STRICT;

CREATE TABLE run_label (
    run_id   INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    output   INTEGER NOT NULL CHECK (output >= 0),
    label_id INTEGER NOT NULL REFERENCES label (id),
    PRIMARY KEY (run_id, output)
) STRICT, WITHOUT ROWID;

CREATE TABLE epoch (
    run_id        INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    epoch         INTEGER NOT NULL,
    loss          REAL,
    acc           REAL,
    val_loss      REAL,
    val_acc       REAL,
    learning_rate REAL NOT NULL,
    documents     INTEGER NOT NULL,
    seconds       REAL NOT NULL,
    PRIMARY KEY (run_id, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE parameter (
    run_id  INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    kind    TEXT NOT NULL CHECK (kind IN ('best', 'last')),
    layer   INTEGER NOT NULL,
    name    TEXT NOT NULL CHECK (name IN ('weight', 'bias')),
    rows    INTEGER NOT NULL,
    columns INTEGER NOT NULL,
    value   BLOB NOT NULL,
    digest  TEXT NOT NULL,
    PRIMARY KEY (run_id, kind, layer, name)
) STRICT;

CREATE TABLE checkpoint (
    run_id INTEGER PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
    epoch  INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    state  BLOB NOT NULL,
    digest TEXT NOT NULL
) STRICT;

CREATE TABLE term_effect (
    run_id     INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    label_id   INTEGER NOT NULL REFERENCES label (id),
    feature_id INTEGER NOT NULL,
    effect     REAL NOT NULL,
    PRIMARY KEY (run_id, label_id, feature_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE evaluation (
    run_id       INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    split_id     INTEGER NOT NULL REFERENCES split (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL CHECK (kind IN ('best', 'last')),
    documents    INTEGER NOT NULL,
    loss         REAL,
    acc          REAL,
    evaluated_at TEXT NOT NULL DEFAULT (datetime('now')),
    PRIMARY KEY (run_id, split_id, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE prediction (
    run_id      INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    split_id    INTEGER NOT NULL REFERENCES split (id) ON DELETE CASCADE,
    kind        TEXT NOT NULL CHECK (kind IN ('best', 'last')),
    document_id INTEGER NOT NULL REFERENCES document (id) ON DELETE CASCADE,
    label_id    INTEGER NOT NULL REFERENCES label (id),
    probability REAL NOT NULL,
    PRIMARY KEY (run_id, split_id, kind, document_id)
) STRICT, WITHOUT ROWID;
-- Without it each document that is deleted (ingest takes out what it refuses) would scan all predictions.
CREATE INDEX prediction_by_document ON prediction (document_id);

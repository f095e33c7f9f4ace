-- Views for people; README.md describes them. Run anew whenever a migration has raised the version. Names of
-- labels and splits are unique, so grouping by name is grouping by id.

-- Two halves, so that a condition on split is a seek: with one outer join SQLite would scan all documents for it.
DROP VIEW IF EXISTS corpus;
CREATE VIEW corpus AS
SELECT document.id          AS id,
       split.name           AS split,
       label.name           AS label,
       document.text        AS text,
       source.name          AS source,
       document.source_line AS line
FROM split
JOIN split_document ON split_document.split_id = split.id
JOIN document ON document.id = split_document.document_id
LEFT JOIN label ON label.id = document.label_id
LEFT JOIN source ON source.id = document.source_id
UNION ALL
SELECT document.id,
       NULL,
       label.name,
       document.text,
       source.name,
       document.source_line
FROM document
LEFT JOIN label ON label.id = document.label_id
LEFT JOIN source ON source.id = document.source_id
WHERE NOT EXISTS (SELECT 1 FROM split_document WHERE split_document.document_id = document.id);

-- Counted by id first: one scan and one sort of small rows, names looked up once a group.
DROP VIEW IF EXISTS label_count;
CREATE VIEW label_count AS
SELECT split.name        AS split,
       label.name        AS label,
       counted.documents AS documents
FROM (SELECT split_document.split_id AS split_id,
             document.label_id       AS label_id,
             count(*)                AS documents
      FROM document
      LEFT JOIN split_document ON split_document.document_id = document.id
      GROUP BY split_document.split_id, document.label_id) AS counted
LEFT JOIN split ON split.id = counted.split_id
LEFT JOIN label ON label.id = counted.label_id;

DROP VIEW IF EXISTS history;
CREATE VIEW history AS
SELECT run_id AS run, epoch, loss, acc, val_loss, val_acc, learning_rate, seconds
FROM epoch;

DROP VIEW IF EXISTS confusion;
CREATE VIEW confusion AS
SELECT counted.run_id    AS run_id,
       counted.kind      AS kind,
       split.name        AS split,
       actual.name       AS actual,
       predicted.name    AS predicted,
       counted.documents AS documents
FROM (SELECT prediction.run_id   AS run_id,
             prediction.kind     AS kind,
             prediction.split_id AS split_id,
             document.label_id   AS actual_id,
             prediction.label_id AS predicted_id,
             count(*)            AS documents
      FROM prediction
      JOIN document ON document.id = prediction.document_id
      WHERE document.label_id IS NOT NULL
      GROUP BY prediction.run_id, prediction.kind, prediction.split_id, document.label_id,
               prediction.label_id) AS counted
JOIN split ON split.id = counted.split_id
JOIN label AS actual ON actual.id = counted.actual_id
JOIN label AS predicted ON predicted.id = counted.predicted_id;

-- Each prediction counts twice: for the label that the document has (is_actual 1) and for the one that was predicted. What
-- has no denominator is 0.0, as in scikit-learn with zero_division=0; f1 = 2*hits / (support + predicted), which
-- is the harmonic mean of precision and recall wherever that is defined.
DROP VIEW IF EXISTS class_report;
CREATE VIEW class_report AS
SELECT counted.run_id AS run_id,
       counted.kind   AS kind,
       split.name     AS split,
       label.name     AS label,
       CASE counted.predicted WHEN 0 THEN 0.0 ELSE 1.0 * counted.hits / counted.predicted END
                      AS precision,
       CASE counted.support WHEN 0 THEN 0.0 ELSE 1.0 * counted.hits / counted.support END
                      AS recall,
       2.0 * counted.hits / (counted.support + counted.predicted)
                      AS f1,
       counted.support AS support
FROM (SELECT prediction.run_id                                              AS run_id,
             prediction.kind                                                AS kind,
             prediction.split_id                                            AS split_id,
             iif(side.is_actual, document.label_id, prediction.label_id)    AS label_id,
             sum(side.is_actual)                                            AS support,
             sum(1 - side.is_actual)                                        AS predicted,
             sum(side.is_actual * (document.label_id = prediction.label_id)) AS hits
      FROM prediction
      JOIN document ON document.id = prediction.document_id
      CROSS JOIN (SELECT 1 AS is_actual UNION ALL SELECT 0) AS side
      WHERE document.label_id IS NOT NULL
      GROUP BY prediction.run_id, prediction.kind, prediction.split_id,
               iif(side.is_actual, document.label_id, prediction.label_id)) AS counted
JOIN split ON split.id = counted.split_id
JOIN label ON label.id = counted.label_id;

DROP VIEW IF EXISTS mistake;
CREATE VIEW mistake AS
SELECT prediction.run_id      AS run_id,
       prediction.kind        AS kind,
       split.name             AS split,
       prediction.document_id AS document_id,
       actual.name            AS actual,
       predicted.name         AS predicted,
       prediction.probability AS probability,
       document.text          AS text
FROM prediction
JOIN document ON document.id = prediction.document_id
JOIN split ON split.id = prediction.split_id
JOIN label AS actual ON actual.id = document.label_id
JOIN label AS predicted ON predicted.id = prediction.label_id
WHERE prediction.label_id <> document.label_id;

DROP VIEW IF EXISTS top_feature;
CREATE VIEW top_feature AS
SELECT term_effect.run_id AS run_id,
       label.name         AS label,
       feature.term       AS term,
       term_effect.effect AS effect
FROM term_effect
JOIN run ON run.id = term_effect.run_id
JOIN feature ON feature.vectorizer_id = run.vectorizer_id AND feature.id = term_effect.feature_id
JOIN label ON label.id = term_effect.label_id;

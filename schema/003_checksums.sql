-- What tells whether something is still what it was.

-- What an evaluation was made of, by which the next one of the same split knows whether its documents are still those.
ALTER TABLE evaluation ADD COLUMN fingerprint TEXT;

-- Of id, label_id, weight and text as dbtrain stored them. What somebody writes in a shell has none.
ALTER TABLE document ADD COLUMN checksum INTEGER;
CREATE TRIGGER document_inserted AFTER INSERT ON document WHEN new.checksum IS NOT NULL BEGIN
    UPDATE document SET checksum = NULL WHERE id = new.id;
END;
CREATE TRIGGER document_changed AFTER UPDATE OF id, label_id, weight, text ON document BEGIN
    UPDATE document SET checksum = NULL WHERE id = new.id;
END;

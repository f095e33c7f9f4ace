-- What an evaluation was made of, by which the next one of the same split knows whether its documents are still those.

ALTER TABLE evaluation ADD COLUMN fingerprint TEXT;

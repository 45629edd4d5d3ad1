-- When the store was put back to an earlier state: tokens of `issuer` that are older are void.

CREATE TABLE epochs (
    issuer      TEXT    NOT NULL,
    began_at    INTEGER NOT NULL,
    PRIMARY KEY (issuer, began_at)
) STRICT, WITHOUT ROWID;

-- How far the audit log of each node had come: a log that was shortened or replaced is found out by it.

CREATE TABLE audit_heads (
    node           TEXT    NOT NULL,
    log            TEXT    NOT NULL,
    seq            BIGINT  NOT NULL,
    hash           TEXT    NOT NULL,
    remembered_at  BIGINT  NOT NULL,
    PRIMARY KEY (node, log)
);

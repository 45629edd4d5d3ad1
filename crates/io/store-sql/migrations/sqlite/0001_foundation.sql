-- Times are nanoseconds since the Unix epoch. `body` is the whole aggregate as JSON; the columns beside it are
-- what conditional writes and searches need. Where both hold a value that changes in place (revoked_at,
-- successor_used, stale_hits), the column is the truth.

CREATE TABLE grants (
    id          TEXT    NOT NULL PRIMARY KEY,
    stage       TEXT    NOT NULL,
    client      TEXT    NOT NULL,
    subject     TEXT,
    code_hash   TEXT    UNIQUE,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER,
    body        TEXT    NOT NULL
) STRICT;
CREATE INDEX grants_by_subject ON grants (subject) WHERE subject IS NOT NULL;
CREATE INDEX grants_by_client ON grants (client);
CREATE INDEX grants_by_expiry ON grants (expires_at);

CREATE TABLE refresh_families (
    id              TEXT    NOT NULL PRIMARY KEY,
    grant_id        TEXT    NOT NULL,
    generation      INTEGER NOT NULL,
    successor_used  INTEGER NOT NULL,
    stale_hits      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    revoked_at      INTEGER,
    body            TEXT    NOT NULL
) STRICT;
CREATE INDEX refresh_families_by_grant ON refresh_families (grant_id);
CREATE INDEX refresh_families_by_expiry ON refresh_families (expires_at);

CREATE TABLE sessions (
    hash        TEXT    NOT NULL PRIMARY KEY,
    subject     TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL,
    body        TEXT    NOT NULL
) STRICT;
CREATE INDEX sessions_by_subject ON sessions (subject);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE consents (
    fingerprint TEXT    NOT NULL PRIMARY KEY,
    subject     TEXT    NOT NULL,
    client      TEXT    NOT NULL,
    granted_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    body        TEXT    NOT NULL
) STRICT;
CREATE INDEX consents_by_subject ON consents (subject, client);
CREATE INDEX consents_by_expiry ON consents (expires_at);

CREATE TABLE one_time_claims (
    fingerprint TEXT    NOT NULL PRIMARY KEY,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX one_time_claims_by_expiry ON one_time_claims (expires_at);

CREATE TABLE signing_keys (
    kid         TEXT    NOT NULL PRIMARY KEY,
    algorithm   TEXT    NOT NULL,
    private_key TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    retired_at  INTEGER
) STRICT;
CREATE UNIQUE INDEX one_signing_key_of_each_algorithm ON signing_keys (algorithm) WHERE retired_at IS NULL;

CREATE TABLE revoked_tokens (
    seq         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    token       TEXT    NOT NULL UNIQUE,
    expires_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);

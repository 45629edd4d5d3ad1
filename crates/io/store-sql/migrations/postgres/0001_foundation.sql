-- Times are nanoseconds since the Unix epoch. `body` is the whole aggregate as JSON; the columns beside it are
-- what conditional writes and searches need. Where both hold a value that changes in place (revoked_at,
-- successor_used, stale_hits), the column is the truth.

CREATE TABLE grants (
    id          TEXT    NOT NULL PRIMARY KEY,
    stage       TEXT    NOT NULL,
    client      TEXT    NOT NULL,
    subject     TEXT,
    code_hash   TEXT    UNIQUE,
    expires_at  BIGINT  NOT NULL,
    revoked_at  BIGINT,
    body        TEXT    NOT NULL
);
CREATE INDEX grants_by_subject ON grants (subject) WHERE subject IS NOT NULL;
CREATE INDEX grants_by_client ON grants (client);
CREATE INDEX grants_by_expiry ON grants (expires_at);

CREATE TABLE refresh_families (
    id              TEXT    NOT NULL PRIMARY KEY,
    grant_id        TEXT    NOT NULL,
    generation      BIGINT  NOT NULL,
    successor_used  BOOLEAN NOT NULL,
    stale_hits      BIGINT  NOT NULL,
    expires_at      BIGINT  NOT NULL,
    revoked_at      BIGINT,
    body            TEXT    NOT NULL
);
CREATE INDEX refresh_families_by_grant ON refresh_families (grant_id);
CREATE INDEX refresh_families_by_expiry ON refresh_families (expires_at);

CREATE TABLE sessions (
    hash        TEXT    NOT NULL PRIMARY KEY,
    subject     TEXT    NOT NULL,
    expires_at  BIGINT  NOT NULL,
    body        TEXT    NOT NULL
);
CREATE INDEX sessions_by_subject ON sessions (subject);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE consents (
    fingerprint TEXT    NOT NULL PRIMARY KEY,
    subject     TEXT    NOT NULL,
    client      TEXT    NOT NULL,
    granted_at  BIGINT  NOT NULL,
    expires_at  BIGINT  NOT NULL,
    body        TEXT    NOT NULL
);
CREATE INDEX consents_by_subject ON consents (subject, client);
CREATE INDEX consents_by_expiry ON consents (expires_at);

CREATE TABLE one_time_claims (
    fingerprint TEXT    NOT NULL PRIMARY KEY,
    expires_at  BIGINT  NOT NULL
);
CREATE INDEX one_time_claims_by_expiry ON one_time_claims (expires_at);

CREATE TABLE signing_keys (
    kid         TEXT    NOT NULL PRIMARY KEY,
    algorithm   TEXT    NOT NULL,
    private_key TEXT    NOT NULL,
    created_at  BIGINT  NOT NULL,
    retired_at  BIGINT
);
CREATE UNIQUE INDEX one_signing_key_of_each_algorithm ON signing_keys (algorithm) WHERE retired_at IS NULL;

CREATE TABLE revoked_tokens (
    seq         BIGINT  NOT NULL PRIMARY KEY,
    token       TEXT    NOT NULL UNIQUE,
    expires_at  BIGINT  NOT NULL
);
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);

-- The last position of the feed of revoked tokens. Taking the next one locks this row until commit, so positions
-- become visible in their order; a sequence would let a later position overtake an earlier one.
CREATE TABLE revocation_feed (
    one         BOOLEAN NOT NULL PRIMARY KEY DEFAULT TRUE CHECK (one),
    last_seq    BIGINT  NOT NULL
);
INSERT INTO revocation_feed (last_seq) VALUES (0);

-- When a node noticed that the database had gone back to an earlier state; an epoch clears it.

ALTER TABLE revocation_feed ADD COLUMN went_back_at BIGINT;

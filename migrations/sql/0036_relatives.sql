-- privacy 个人信息权益: a hold on one case, rights at a desk, guardians, relatives of the dead (privacy.md 4, 7; R-409, R-804). Additive.

-- a legal hold on one case: the rest is erased now, the case when the hold ends
ALTER TABLE leaving ADD COLUMN counts jsonb NOT NULL DEFAULT '{}';
ALTER TABLE leaving ADD COLUMN partly_at timestamptz;
COMMENT ON COLUMN leaving.counts IS 'rows erased already while a case is held, by title of the holding | object of counts | internal';
COMMENT ON COLUMN leaving.partly_at IS 'when everything but a held case was erased; null: nothing yet | UTC | internal';

-- identity 统一身份认证: mandates follow an account that moves home (identity.md 6.6).
ALTER TABLE mandate ADD COLUMN moved_to text NOT NULL DEFAULT '';
ALTER TABLE mandate ADD COLUMN moved_from text NOT NULL DEFAULT '';
ALTER TABLE mandate ADD COLUMN moved_at timestamptz;
ALTER TABLE mandate ADD COLUMN arriving_as text NOT NULL DEFAULT '';
COMMENT ON COLUMN mandate.moved_to IS 'node that took this row over with the account, set with state moved | node id | internal';
COMMENT ON COLUMN mandate.moved_from IS 'old home this row came from with the account | node id | internal';
COMMENT ON COLUMN mandate.moved_at IS 'when one of its nodes changed because an account moved | UTC | internal';
COMMENT ON COLUMN mandate.arriving_as IS 'the state it had at the old home, while it is arriving with an account | code | internal';
ALTER TABLE mandate DROP CONSTRAINT mandate_state_check;
ALTER TABLE mandate ADD CONSTRAINT mandate_state_check CHECK (state IN ('arriving','offered','active','refused','lapsed','stopped','ended','moved')) NOT VALID;
ALTER TABLE mandate VALIDATE CONSTRAINT mandate_state_check;
CREATE INDEX mandate_arriving ON mandate (agent) WHERE state = 'arriving' AND arriving_as <> '';

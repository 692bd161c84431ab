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

-- transparency 存证: restores that nodes declared themselves, so that the two histories they made are explained (federation.md 6.2)
CREATE TABLE log_restore (
    node text NOT NULL CHECK (node ~ '^[a-z0-9]{2,16}$'),
    epoch bigint NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (node, epoch)
);
COMMENT ON TABLE log_restore IS '恢复声明: a node''s own signed word that its database was put back, with the moment; never deleted';
COMMENT ON COLUMN log_restore.node IS 'who was restored | node id | public';
COMMENT ON COLUMN log_restore.epoch IS 'the epoch that began then | number | public';
COMMENT ON COLUMN log_restore.at_ms IS 'when it began, as the node signed it | Unix milliseconds UTC | public';
ALTER TABLE log_witnessed DROP CONSTRAINT log_witnessed_state_check;
ALTER TABLE log_witnessed ADD CONSTRAINT log_witnessed_state_check CHECK (state IN ('first', 'consistent', 'gap', 'fork', 'before')) NOT VALID;
ALTER TABLE log_witnessed VALIDATE CONSTRAINT log_witnessed_state_check;
COMMENT ON COLUMN log_witnessed.state IS 'what the check said | first, consistent, gap: not proved yet, fork: two histories, before: of the time before a declared restore | public';
ALTER TABLE node_proposal DROP CONSTRAINT node_proposal_kind_check;
ALTER TABLE node_proposal ADD CONSTRAINT node_proposal_kind_check CHECK (kind IN ('revoke_key', 'node_status', 'open_doors', 'load_snapshot')) NOT VALID;
ALTER TABLE node_proposal VALIDATE CONSTRAINT node_proposal_kind_check;
COMMENT ON COLUMN node_proposal.kind IS 'what | revoke_key,node_status,open_doors,load_snapshot | internal';

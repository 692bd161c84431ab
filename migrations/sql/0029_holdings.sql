-- exchange 数据共享: 这不是我办的, a person's complaint about one line of 谁用过我的信息 (privacy.md 6). Additive: the release before runs beside it.

CREATE TABLE use_complaint (
    subject text NOT NULL,
    id uuid NOT NULL,
    side text NOT NULL CHECK (side IN ('person', 'owner')),
    peer text NOT NULL,
    line uuid NOT NULL,
    told bytea NOT NULL,
    words bytea NOT NULL,
    answer bytea,
    state text NOT NULL CHECK (state IN ('sent', 'answered')),
    due_on date NOT NULL,
    answered_by text NOT NULL DEFAULT '',
    late_told boolean NOT NULL DEFAULT false,
    sent_at timestamptz NOT NULL,
    answered_at timestamptz,
    leaf text NOT NULL DEFAULT '',
    PRIMARY KEY (subject, id, side),
    UNIQUE (subject, line, side)
);
CREATE INDEX use_complaint_open ON use_complaint (side, state, due_on);
CREATE INDEX use_complaint_id ON use_complaint (id);
COMMENT ON TABLE use_complaint IS 'Complaint 投诉 of a person about one use of their data, at their node and at the owner of the data (privacy.md 6)';
COMMENT ON COLUMN use_complaint.subject IS 'who complains | subject | personal';
COMMENT ON COLUMN use_complaint.id IS 'complaint, the same at both ends | UUIDv7 | internal';
COMMENT ON COLUMN use_complaint.side IS 'whose row this is | person, owner | internal';
COMMENT ON COLUMN use_complaint.peer IS 'the other end | node id | internal';
COMMENT ON COLUMN use_complaint.line IS 'ledger line it is about | UUIDv7 | internal';
COMMENT ON COLUMN use_complaint.told IS 'the line as it was read: who, which fields, why | sealed text | personal';
COMMENT ON COLUMN use_complaint.words IS 'what the person wrote | sealed text | personal';
COMMENT ON COLUMN use_complaint.answer IS 'what the owner answered | sealed text | personal';
COMMENT ON COLUMN use_complaint.state IS 'where it stands | sent, answered | internal';
COMMENT ON COLUMN use_complaint.due_on IS 'last day to answer | date | internal';
COMMENT ON COLUMN use_complaint.answered_by IS 'who answered, at the owner only | staff id | internal';
COMMENT ON COLUMN use_complaint.late_told IS 'an alarm was raised for being late | yes or no | internal';
COMMENT ON COLUMN use_complaint.sent_at IS 'when sent | UTC | internal';
COMMENT ON COLUMN use_complaint.answered_at IS 'when answered | UTC | internal';
COMMENT ON COLUMN use_complaint.leaf IS 'log leaf of the answer here | leaf id | internal';

-- showing 出示: sets for a device without network, marks of ended credentials, reports of abuse, suspended verifier units.

CREATE TABLE credential_offline (
    subject text NOT NULL,
    id uuid NOT NULL,
    card uuid NOT NULL,
    disclosure text NOT NULL,
    opaque bytea NOT NULL,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    stopped boolean NOT NULL DEFAULT false,
    PRIMARY KEY (subject, id)
);
CREATE INDEX credential_offline_opaque ON credential_offline (opaque);
CREATE INDEX credential_offline_end ON credential_offline (expires_at);
COMMENT ON TABLE credential_offline IS 'Entries signed for a key of the holder''s phone 离线出示; swept a week after they end';
COMMENT ON COLUMN credential_offline.subject IS 'wallet owner | subject | personal';
COMMENT ON COLUMN credential_offline.id IS 'entry | UUIDv7 | internal';
COMMENT ON COLUMN credential_offline.card IS 'card | UUIDv7 | internal';
COMMENT ON COLUMN credential_offline.disclosure IS 'set of fields chosen | id in the type | internal';
COMMENT ON COLUMN credential_offline.opaque IS 'opaque id in the entry | 16 random bytes | internal';
COMMENT ON COLUMN credential_offline.issued_at IS 'signed | UTC | internal';
COMMENT ON COLUMN credential_offline.expires_at IS 'good until, at most 24 hours | UTC | internal';
COMMENT ON COLUMN credential_offline.stopped IS 'the holder stopped it | boolean | internal';

CREATE TABLE credential_offline_used (
    opaque bytea NOT NULL,
    jti bytea NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (opaque, jti)
);
CREATE INDEX credential_offline_used_at ON credential_offline_used (at);
COMMENT ON TABLE credential_offline_used IS 'Offline codes the home has heard of once 离线码已用';
COMMENT ON COLUMN credential_offline_used.opaque IS 'opaque id of the entry | 16 random bytes | internal';
COMMENT ON COLUMN credential_offline_used.jti IS 'number the phone gave | 8 bytes | internal';
COMMENT ON COLUMN credential_offline_used.at IS 'when the home heard | UTC | internal';

CREATE TABLE credential_ended (
    issuer text PRIMARY KEY,
    at timestamptz NOT NULL,
    body bytea NOT NULL,
    kid text NOT NULL,
    signature bytea NOT NULL,
    count bigint NOT NULL DEFAULT 0,
    newest timestamptz
);
COMMENT ON TABLE credential_ended IS 'Newest marks of ended credentials of every issuer 失效标记';
COMMENT ON COLUMN credential_ended.issuer IS 'node that signed it | node id | public';
COMMENT ON COLUMN credential_ended.at IS 'signed at | UTC | public';
COMMENT ON COLUMN credential_ended.body IS 'what is signed, docs/presentation.md | JSON text | public';
COMMENT ON COLUMN credential_ended.kid IS 'signing key | kid | public';
COMMENT ON COLUMN credential_ended.signature IS 'SM2 over body | 64 bytes, r then s | public';
COMMENT ON COLUMN credential_ended.count IS 'own list: credentials in it | count | internal';
COMMENT ON COLUMN credential_ended.newest IS 'own list: last change of state in it | UTC | internal';
CREATE INDEX credential_not_valid ON credential (state_at) WHERE state <> 'valid';

ALTER TABLE credential_view ADD COLUMN way text NOT NULL DEFAULT '';
ALTER TABLE credential_view ADD COLUMN answer bytea;
ALTER TABLE credential_view ADD COLUMN answered_at timestamptz;
COMMENT ON COLUMN credential_view.way IS 'empty online, phone: the phone was offline, both: told later by an offline verifier | word | internal';
COMMENT ON COLUMN credential_view.answer IS 'answer to the report | sealed text | personal';
COMMENT ON COLUMN credential_view.answered_at IS 'report answered | UTC | internal';

CREATE TABLE credential_report (
    home text NOT NULL,
    id uuid NOT NULL,
    unit text NOT NULL,
    looked_at timestamptz NOT NULL,
    purpose text NOT NULL,
    fields text[] NOT NULL,
    words bytea NOT NULL,
    reported_at timestamptz NOT NULL,
    answer bytea,
    answered_by text NOT NULL DEFAULT '',
    answered_at timestamptz,
    PRIMARY KEY (home, id)
);
CREATE INDEX credential_report_open ON credential_report (reported_at) WHERE answered_at IS NULL;
COMMENT ON TABLE credential_report IS 'Reports of abuse about verifier units of this node 举报; the holder is not named';
COMMENT ON COLUMN credential_report.home IS 'node of the holder | node id | internal';
COMMENT ON COLUMN credential_report.id IS 'look it is about | UUIDv7 of the home | internal';
COMMENT ON COLUMN credential_report.unit IS 'verifier unit | text | internal';
COMMENT ON COLUMN credential_report.looked_at IS 'time of the look | UTC | internal';
COMMENT ON COLUMN credential_report.purpose IS 'purpose | text | internal';
COMMENT ON COLUMN credential_report.fields IS 'names of the fields shown | list of text | internal';
COMMENT ON COLUMN credential_report.words IS 'what the holder wrote | sealed text | personal';
COMMENT ON COLUMN credential_report.reported_at IS 'reported | UTC | internal';
COMMENT ON COLUMN credential_report.answer IS 'what the operator answered | sealed text | personal';
COMMENT ON COLUMN credential_report.answered_by IS 'who answered | staff id | internal';
COMMENT ON COLUMN credential_report.answered_at IS 'answered | UTC | internal';

ALTER TABLE credential_verifier DROP CONSTRAINT credential_verifier_state_check;
ALTER TABLE credential_verifier ADD CONSTRAINT credential_verifier_state_check CHECK (state IN ('active', 'suspended', 'stopped'));
ALTER TABLE credential_verifier ADD COLUMN reason text NOT NULL DEFAULT '';
COMMENT ON COLUMN credential_verifier.reason IS 'why it was suspended | text | internal';

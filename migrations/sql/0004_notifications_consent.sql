-- notifications 消息, consent 授权与台账. Nothing personal in plain text but the subject.

CREATE TABLE message (
    subject text NOT NULL,
    id uuid NOT NULL,
    about text NOT NULL,
    kind text NOT NULL,
    dedupe text NOT NULL,
    link text NOT NULL,
    link_words text NOT NULL,
    title bytea NOT NULL,
    text bytea NOT NULL,
    group_name bytea NOT NULL,
    at timestamptz NOT NULL,
    read_at timestamptz,
    PRIMARY KEY (subject, id)
);
CREATE UNIQUE INDEX message_once ON message (subject, about, kind, dedupe);
CREATE INDEX message_page ON message (subject, at DESC, id DESC);
CREATE INDEX message_unread ON message (subject) WHERE read_at IS NULL;
COMMENT ON TABLE message IS '消息: what a person is told, once for each fact';
COMMENT ON COLUMN message.subject IS 'whose message | subject, identity.md 1 | personal';
COMMENT ON COLUMN message.id IS 'message | UUIDv7 | internal';
COMMENT ON COLUMN message.about IS 'thing it is about | case:<id> and the like | internal';
COMMENT ON COLUMN message.kind IS 'what happened | room.fact | internal';
COMMENT ON COLUMN message.dedupe IS 'tells two messages of one kind about one thing apart | text | internal';
COMMENT ON COLUMN message.link IS 'the one act it offers | path of this node | internal';
COMMENT ON COLUMN message.link_words IS 'what the act is called | 2-6 characters | public';
COMMENT ON COLUMN message.title IS 'headline | sealed UTF-8 | personal';
COMMENT ON COLUMN message.text IS 'what to know | sealed UTF-8 | personal';
COMMENT ON COLUMN message.group_name IS 'name of the thing on the page | sealed UTF-8 | personal';
COMMENT ON COLUMN message.at IS 'when it was told | UTC | internal';
COMMENT ON COLUMN message.read_at IS 'when it was read | UTC, null = unread | internal';

CREATE TABLE consent_text (
    digest text NOT NULL,
    text text NOT NULL,
    first_shown_at timestamptz NOT NULL,
    PRIMARY KEY (digest)
);
COMMENT ON TABLE consent_text IS '授权书全文: every text that was ever shown, found by its digest';
COMMENT ON COLUMN consent_text.digest IS 'digest of the text | sm3:… | public';
COMMENT ON COLUMN consent_text.text IS 'the words shown | UTF-8 | public';
COMMENT ON COLUMN consent_text.first_shown_at IS 'first time shown | UTC | internal';

CREATE TABLE consent_ask (
    subject text NOT NULL,
    id uuid NOT NULL,
    purpose text NOT NULL,
    receiver text NOT NULL,
    ask jsonb NOT NULL,
    back text NOT NULL,
    asked_at timestamptz NOT NULL,
    answered_at timestamptz,
    answer text CHECK (answer IN ('given', 'refused')),
    PRIMARY KEY (subject, id)
);
CREATE INDEX consent_ask_purpose ON consent_ask (subject, purpose, receiver, asked_at DESC);
COMMENT ON TABLE consent_ask IS '请求授权: a consent page waiting for its answer, or answered';
COMMENT ON COLUMN consent_ask.subject IS 'who is asked | subject | personal';
COMMENT ON COLUMN consent_ask.id IS 'ask | UUIDv7 | internal';
COMMENT ON COLUMN consent_ask.purpose IS 'purpose code | room.purpose | internal';
COMMENT ON COLUMN consent_ask.receiver IS 'who would get the data | node or client id | internal';
COMMENT ON COLUMN consent_ask.ask IS 'what the page says | Ask as JSON, no values | internal';
COMMENT ON COLUMN consent_ask.back IS 'where the person goes on | path of this node | internal';
COMMENT ON COLUMN consent_ask.asked_at IS 'when asked | UTC | internal';
COMMENT ON COLUMN consent_ask.answered_at IS 'when answered | UTC | internal';
COMMENT ON COLUMN consent_ask.answer IS 'what they said | given, refused | internal';

CREATE TABLE consent (
    subject text NOT NULL,
    id uuid NOT NULL,
    purpose text NOT NULL,
    why text NOT NULL,
    giver text NOT NULL,
    giver_name text NOT NULL,
    receiver text NOT NULL,
    receiver_name text NOT NULL,
    fields text[] NOT NULL,
    text_digest text NOT NULL REFERENCES consent_text (digest),
    given_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    channel text NOT NULL,
    acr smallint NOT NULL,
    leaf text NOT NULL,
    PRIMARY KEY (subject, id)
);
CREATE INDEX consent_purpose ON consent (subject, purpose, receiver, given_at DESC);
COMMENT ON TABLE consent IS '授权: one purpose allowed by one person; a row never changes';
COMMENT ON COLUMN consent.subject IS 'who allowed it | subject | personal';
COMMENT ON COLUMN consent.id IS 'consent | UUIDv7 | internal';
COMMENT ON COLUMN consent.purpose IS 'purpose code | room.purpose | internal';
COMMENT ON COLUMN consent.why IS 'purpose in words | sentence | internal';
COMMENT ON COLUMN consent.giver IS 'who gives the data | node id | internal';
COMMENT ON COLUMN consent.giver_name IS 'who gives, in words | text | internal';
COMMENT ON COLUMN consent.receiver IS 'who gets the data | node or client id | internal';
COMMENT ON COLUMN consent.receiver_name IS 'who gets it, in words | text | internal';
COMMENT ON COLUMN consent.fields IS 'what is given | Chinese words | internal';
COMMENT ON COLUMN consent.text_digest IS 'the text that was shown | sm3:… | internal';
COMMENT ON COLUMN consent.given_at IS 'when given | UTC | internal';
COMMENT ON COLUMN consent.until IS 'when it ends by itself | UTC | internal';
COMMENT ON COLUMN consent.channel IS 'where it was given | h5, pc, kiosk, webview, counter | internal';
COMMENT ON COLUMN consent.acr IS 'level of the session that gave it | 1-4 | internal';
COMMENT ON COLUMN consent.leaf IS 'log leaf of the giving | leaf id | internal';

CREATE TABLE consent_withdrawal (
    subject text NOT NULL,
    consent_id uuid NOT NULL,
    at timestamptz NOT NULL,
    channel text NOT NULL,
    leaf text NOT NULL,
    PRIMARY KEY (subject, consent_id)
);
COMMENT ON TABLE consent_withdrawal IS '撤回授权: a row of its own, so that history stays';
COMMENT ON COLUMN consent_withdrawal.subject IS 'who withdrew | subject | personal';
COMMENT ON COLUMN consent_withdrawal.consent_id IS 'which consent | UUIDv7 | internal';
COMMENT ON COLUMN consent_withdrawal.at IS 'when withdrawn | UTC | internal';
COMMENT ON COLUMN consent_withdrawal.channel IS 'where it was withdrawn | h5, pc, kiosk, webview, counter | internal';
COMMENT ON COLUMN consent_withdrawal.leaf IS 'log leaf of the withdrawal | leaf id | internal';

CREATE TABLE access_record (
    subject text NOT NULL,
    id uuid NOT NULL,
    side text NOT NULL CHECK (side IN ('owner', 'caller', 'local')),
    at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('share', 'view', 'present', 'check')),
    who text NOT NULL,
    fields text[] NOT NULL,
    purpose text NOT NULL,
    source text NOT NULL,
    receiver text NOT NULL,
    basis text NOT NULL,
    about text NOT NULL,
    consent_id uuid,
    count integer NOT NULL DEFAULT 1 CHECK (count > 0),
    digest text NOT NULL,
    leaf text NOT NULL,
    PRIMARY KEY (subject, id, side)
);
CREATE INDEX access_record_page ON access_record (subject, at DESC, id DESC);
CREATE INDEX access_record_at ON access_record (at DESC);
CREATE INDEX access_record_about ON access_record (about) WHERE about <> '';
COMMENT ON TABLE access_record IS '谁用过我的数据: one line for each access, at the owner and at the caller';
COMMENT ON COLUMN access_record.subject IS 'whose data | subject | personal';
COMMENT ON COLUMN access_record.id IS 'access, the same at both ends | UUIDv7 | internal';
COMMENT ON COLUMN access_record.side IS 'which end this row is | owner, caller, local | internal';
COMMENT ON COLUMN access_record.at IS 'when, the same at both ends | UTC, milliseconds | internal';
COMMENT ON COLUMN access_record.kind IS 'sort of access | share, view, present, check | internal';
COMMENT ON COLUMN access_record.who IS 'office or party, staff as unit and role | text | internal';
COMMENT ON COLUMN access_record.fields IS 'what was read | Chinese words | internal';
COMMENT ON COLUMN access_record.purpose IS 'why | words | internal';
COMMENT ON COLUMN access_record.source IS 'node that gave | node id | internal';
COMMENT ON COLUMN access_record.receiver IS 'node that got | node id | internal';
COMMENT ON COLUMN access_record.basis IS 'law or consent in words | text | internal';
COMMENT ON COLUMN access_record.about IS 'case:<id> or empty | key | internal';
COMMENT ON COLUMN access_record.consent_id IS 'consent it rests on | UUIDv7 | internal';
COMMENT ON COLUMN access_record.count IS 'accesses told in this line | number | internal';
COMMENT ON COLUMN access_record.digest IS 'digest of the line, the same at both ends | sm3:… | internal';
COMMENT ON COLUMN access_record.leaf IS 'log leaf of this row | leaf id | internal';

CREATE FUNCTION consent_rows_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('tongban.retention', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
COMMENT ON FUNCTION consent_rows_stay() IS 'Rows are written once; only the retention job may delete them after their term';
CREATE TRIGGER consent_stays BEFORE UPDATE OR DELETE ON consent FOR EACH ROW EXECUTE FUNCTION consent_rows_stay();
CREATE TRIGGER consent_withdrawal_stays BEFORE UPDATE OR DELETE ON consent_withdrawal FOR EACH ROW EXECUTE FUNCTION consent_rows_stay();
CREATE TRIGGER access_record_stays BEFORE UPDATE OR DELETE ON access_record FOR EACH ROW EXECUTE FUNCTION consent_rows_stay();

-- licences 电子证照: PDF beside OFD, basis and second person of each act, lists by period, shared licence services, gathering.

ALTER TABLE credential ADD COLUMN pdf bytea;
ALTER TABLE credential ADD COLUMN pdf_digest text NOT NULL DEFAULT '';
CREATE INDEX credential_by_identifier ON credential (identifier);
CREATE INDEX credential_of_list ON credential (list_no, valid_until);
CREATE INDEX credential_running_out ON credential (valid_until) WHERE state IN ('valid', 'suspended');
COMMENT ON COLUMN credential.pdf IS 'sealed PDF document, NULL until made | sealed bytes | personal sensitive';
COMMENT ON COLUMN credential.pdf_digest IS 'PDF bytes | sm3:base64url | internal';

ALTER TABLE credential_card ADD COLUMN pdf bytea;
ALTER TABLE credential_card ADD COLUMN reminded_for date;
COMMENT ON COLUMN credential_card.pdf IS 'sealed PDF document, fetched from the issuer when first asked for | sealed bytes | personal sensitive';
COMMENT ON COLUMN credential_card.reminded_for IS 'last day the holder was reminded of | day in China | internal';

ALTER TABLE credential_event ADD COLUMN basis text NOT NULL DEFAULT '';
ALTER TABLE credential_event ADD COLUMN confirmed_by text NOT NULL DEFAULT '';
COMMENT ON COLUMN credential_event.basis IS 'legal basis | text | internal';
COMMENT ON COLUMN credential_event.confirmed_by IS 'second person, empty where none is asked | staff id | internal';

CREATE TABLE credential_card_event (
    subject text NOT NULL,
    card uuid NOT NULL,
    id uuid NOT NULL,
    operation text NOT NULL,
    state text NOT NULL,
    reason bytea NOT NULL,
    basis text NOT NULL,
    office text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (subject, card, id)
);
COMMENT ON TABLE credential_card_event IS 'What an issuer did to a card, as told to its holder 证照经过; append only';
COMMENT ON COLUMN credential_card_event.subject IS 'wallet owner | subject | personal';
COMMENT ON COLUMN credential_card_event.card IS 'card | UUIDv7 of its issuer | internal';
COMMENT ON COLUMN credential_card_event.id IS 'event | UUIDv7 of its issuer | internal';
COMMENT ON COLUMN credential_card_event.operation IS 'act, acts.toml | word | internal';
COMMENT ON COLUMN credential_card_event.state IS 'state after it | word | internal';
COMMENT ON COLUMN credential_card_event.reason IS 'ground told to the holder | sealed text | personal';
COMMENT ON COLUMN credential_card_event.basis IS 'legal basis | text | internal';
COMMENT ON COLUMN credential_card_event.office IS 'office that did it | text | public';
COMMENT ON COLUMN credential_card_event.at IS 'when | UTC | internal';

CREATE TABLE credential_period (
    period text NOT NULL,
    part integer NOT NULL,
    list_no integer NOT NULL UNIQUE,
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (period, part)
);
COMMENT ON TABLE credential_period IS 'Which of this node''s status lists belongs to which period 清单期次';
COMMENT ON COLUMN credential_period.period IS 'quarter, such as 2026Q4 | text | public';
COMMENT ON COLUMN credential_period.part IS 'first, second … list of the period | number | public';
COMMENT ON COLUMN credential_period.list_no IS 'status list | number | public';
COMMENT ON COLUMN credential_period.opened_at IS 'opened | UTC | public';

CREATE TABLE credential_list_past (
    issuer text NOT NULL,
    list_no integer NOT NULL,
    at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    bits bytea NOT NULL,
    kid text NOT NULL,
    signature bytea NOT NULL,
    PRIMARY KEY (issuer, list_no, at)
);
CREATE INDEX credential_list_past_until ON credential_list_past (until);
COMMENT ON TABLE credential_list_past IS 'Earlier status lists that said something else, to prove what was known when 旧状态清单';
COMMENT ON COLUMN credential_list_past.issuer IS 'node that signed it | node id | public';
COMMENT ON COLUMN credential_list_past.list_no IS 'list | number | public';
COMMENT ON COLUMN credential_list_past.at IS 'signed at | UTC | public';
COMMENT ON COLUMN credential_list_past.until IS 'the next one that says something else was signed at | UTC | public';
COMMENT ON COLUMN credential_list_past.bits IS 'four bits a credential, zlib | bytes | public';
COMMENT ON COLUMN credential_list_past.kid IS 'signing key | kid | public';
COMMENT ON COLUMN credential_list_past.signature IS 'SM2 over the canonical list | 64 bytes, r then s | public';

CREATE TABLE credential_gathering (
    subject text NOT NULL,
    issuer text NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (subject, issuer)
);
COMMENT ON TABLE credential_gathering IS 'Registers asked for all the licences a person has there 归集';
COMMENT ON COLUMN credential_gathering.subject IS 'wallet owner | subject | personal';
COMMENT ON COLUMN credential_gathering.issuer IS 'node asked | node id | public';
COMMENT ON COLUMN credential_gathering.asked_at IS 'last asked | UTC | internal';

CREATE TABLE credential_register_entry (
    subject text NOT NULL,
    entry text NOT NULL,
    credential uuid NOT NULL,
    PRIMARY KEY (subject, entry)
);
COMMENT ON TABLE credential_register_entry IS 'Which credential stands for which entry of a register 登记条目与证照';
COMMENT ON COLUMN credential_register_entry.subject IS 'wallet owner | subject | personal';
COMMENT ON COLUMN credential_register_entry.entry IS 'entry of the register, never an ID number | text | internal';
COMMENT ON COLUMN credential_register_entry.credential IS 'credential issued from it | UUIDv7 | internal';

CREATE TABLE credential_use (
    subject text NOT NULL,
    id uuid NOT NULL,
    side text NOT NULL CHECK (side IN ('owner', 'caller')),
    service text NOT NULL,
    credential uuid,
    type_code text NOT NULL,
    caller text NOT NULL,
    owner text NOT NULL,
    who text NOT NULL,
    reason bytea NOT NULL,
    task_code text NOT NULL,
    case_id text NOT NULL,
    fields text[] NOT NULL,
    result text NOT NULL,
    digest text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (subject, id, side)
);
CREATE INDEX credential_use_at ON credential_use (at);
COMMENT ON TABLE credential_use IS 'Calls of the shared licence services, at both ends 用证记录';
COMMENT ON COLUMN credential_use.subject IS 'holder | subject | personal';
COMMENT ON COLUMN credential_use.id IS 'call, the same at both ends | UUIDv7 of the caller | internal';
COMMENT ON COLUMN credential_use.side IS 'owner or caller | word | internal';
COMMENT ON COLUMN credential_use.service IS 'service called | name | internal';
COMMENT ON COLUMN credential_use.credential IS 'credential, NULL for none | UUIDv7 | internal';
COMMENT ON COLUMN credential_use.type_code IS '证照类型代码 asked | 21 characters | public';
COMMENT ON COLUMN credential_use.caller IS 'node that asked | node id | internal';
COMMENT ON COLUMN credential_use.owner IS 'node that answered | node id | internal';
COMMENT ON COLUMN credential_use.who IS 'office that uses it | text | internal';
COMMENT ON COLUMN credential_use.reason IS '用证事由 | sealed text of at most 200 characters | personal';
COMMENT ON COLUMN credential_use.task_code IS 'item it is for | 实施编码, or empty | internal';
COMMENT ON COLUMN credential_use.case_id IS 'case or draft it is for | id, or empty | internal';
COMMENT ON COLUMN credential_use.fields IS 'names of the fields given | list of text | internal';
COMMENT ON COLUMN credential_use.result IS 'result code, docs/licences.md | text | internal';
COMMENT ON COLUMN credential_use.digest IS 'what was asked and given, the same at both ends | sm3:base64url | internal';
COMMENT ON COLUMN credential_use.at IS 'when, by the owner''s clock | UTC | internal';

CREATE TABLE credential_file (
    subject text NOT NULL,
    id uuid NOT NULL,
    code_hash bytea NOT NULL,
    credential uuid NOT NULL,
    caller text NOT NULL,
    who text NOT NULL,
    reason bytea NOT NULL,
    about text NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    taken_at timestamptz,
    PRIMARY KEY (subject, id)
);
CREATE UNIQUE INDEX credential_file_code ON credential_file (code_hash);
CREATE INDEX credential_file_end ON credential_file (expires_at);
COMMENT ON TABLE credential_file IS 'One-off ids under which a watermarked copy may be fetched 一次性文件标识';
COMMENT ON COLUMN credential_file.subject IS 'holder | subject | personal';
COMMENT ON COLUMN credential_file.id IS 'call that asked for it | UUIDv7 | internal';
COMMENT ON COLUMN credential_file.code_hash IS 'SM3 of the file id | 32 bytes | secret';
COMMENT ON COLUMN credential_file.credential IS 'credential | UUIDv7 | internal';
COMMENT ON COLUMN credential_file.caller IS 'only node that may fetch | node id | internal';
COMMENT ON COLUMN credential_file.who IS 'office named on the copy | text | internal';
COMMENT ON COLUMN credential_file.reason IS '用证事由 named on the copy | sealed text | personal';
COMMENT ON COLUMN credential_file.about IS 'case or draft it is for | id, or empty | internal';
COMMENT ON COLUMN credential_file.made_at IS 'given | UTC | internal';
COMMENT ON COLUMN credential_file.expires_at IS 'good until | UTC | internal';
COMMENT ON COLUMN credential_file.taken_at IS 'fetched | UTC | internal';

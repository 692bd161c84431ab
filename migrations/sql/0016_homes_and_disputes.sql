-- identity 统一身份认证: corrections of registers, accounts that move home, pseudonyms that change (identity.md 1, 6.6, 6.7).
-- Additive only: the release before runs beside it.

CREATE TABLE dispute (
    subject text NOT NULL,
    id uuid NOT NULL,
    number text NOT NULL,
    register text NOT NULL,
    attribute text NOT NULL,
    claimed bytea NOT NULL,
    note bytea NOT NULL,
    evidence uuid[] NOT NULL DEFAULT '{}',
    visit_on date,
    opened_at timestamptz NOT NULL,
    due_on date NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open','upheld','refused','withdrawn')),
    first_reason bytea,
    second_reason bytea,
    unit text NOT NULL DEFAULT '',
    decided_at timestamptz,
    PRIMARY KEY (subject, id),
    UNIQUE (id)
);
COMMENT ON TABLE dispute IS 'Dispute 纠错 a person opened at this node about an attribute some register keeps (identity.md 6.7, R-304)';
COMMENT ON COLUMN dispute.subject IS 'who | identifier | personal';
COMMENT ON COLUMN dispute.id IS 'dispute id, the same at every node | UUIDv7 | internal';
COMMENT ON COLUMN dispute.number IS 'number the person is told | JC + date + 6 characters | internal';
COMMENT ON COLUMN dispute.register IS 'node that keeps the register | node id | internal';
COMMENT ON COLUMN dispute.attribute IS 'what is wrong | code of disputes.toml | internal';
COMMENT ON COLUMN dispute.claimed IS 'what is right, as the person says | sealed text | personal sensitive';
COMMENT ON COLUMN dispute.note IS 'in the person''s own words | sealed text | personal';
COMMENT ON COLUMN dispute.evidence IS 'materials handed in | UUIDv7 each | internal';
COMMENT ON COLUMN dispute.visit_on IS 'day at the counter, asked of level 1 | date | internal';
COMMENT ON COLUMN dispute.opened_at IS 'when opened | UTC | internal';
COMMENT ON COLUMN dispute.due_on IS 'answer due | date | internal';
COMMENT ON COLUMN dispute.state IS 'where it stands | code | internal';
COMMENT ON COLUMN dispute.first_reason IS 'reason of the clerk who decided | sealed text | personal';
COMMENT ON COLUMN dispute.second_reason IS 'reason of the clerk who confirmed | sealed text | personal';
COMMENT ON COLUMN dispute.unit IS 'office that decided, in words | text | internal';
COMMENT ON COLUMN dispute.decided_at IS 'when decided | UTC | internal';

CREATE TABLE dispute_desk (
    subject text NOT NULL,
    id uuid NOT NULL,
    number text NOT NULL,
    origin text NOT NULL,
    attribute text NOT NULL,
    claimed bytea NOT NULL,
    note bytea NOT NULL,
    document bytea NOT NULL,
    evidence bytea NOT NULL,
    level smallint NOT NULL,
    visit_on date,
    opened_at timestamptz NOT NULL,
    due_on date NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open','proposed','upheld','refused','withdrawn')),
    proposed_by text,
    proposed_uphold boolean,
    proposed_reason bytea,
    proposed_digest text,
    proposed_at timestamptz,
    decided_by text,
    decided_reason bytea,
    decided_at timestamptz,
    returned smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (subject, id),
    UNIQUE (id),
    CHECK (decided_by IS NULL OR decided_by <> proposed_by)
);
COMMENT ON TABLE dispute_desk IS 'Disputes on the desk of the register''s owner 纠错受理, decided by one clerk and confirmed by another';
COMMENT ON COLUMN dispute_desk.subject IS 'whose register row; x + id when no row was found | identifier | personal';
COMMENT ON COLUMN dispute_desk.id IS 'dispute id | UUIDv7 | internal';
COMMENT ON COLUMN dispute_desk.number IS 'number the person was told | text | internal';
COMMENT ON COLUMN dispute_desk.origin IS 'node where it was opened | node id | internal';
COMMENT ON COLUMN dispute_desk.attribute IS 'what is wrong | code of disputes.toml | internal';
COMMENT ON COLUMN dispute_desk.claimed IS 'what is right, as the person says | sealed text | personal sensitive';
COMMENT ON COLUMN dispute_desk.note IS 'the person''s own words | sealed text | personal';
COMMENT ON COLUMN dispute_desk.document IS 'document number named by a person not matched yet, empty otherwise | sealed text | personal sensitive';
COMMENT ON COLUMN dispute_desk.evidence IS 'materials by digest | sealed JSON list | personal';
COMMENT ON COLUMN dispute_desk.level IS 'level of the session that opened it | level | internal';
COMMENT ON COLUMN dispute_desk.visit_on IS 'day at the counter | date | internal';
COMMENT ON COLUMN dispute_desk.opened_at IS 'when opened there | UTC | internal';
COMMENT ON COLUMN dispute_desk.due_on IS 'answer due | date | internal';
COMMENT ON COLUMN dispute_desk.state IS 'where it stands | code | internal';
COMMENT ON COLUMN dispute_desk.proposed_by IS 'clerk who decided | staff id | internal';
COMMENT ON COLUMN dispute_desk.proposed_uphold IS 'what that clerk decided | true to correct | internal';
COMMENT ON COLUMN dispute_desk.proposed_reason IS 'why | sealed text | personal';
COMMENT ON COLUMN dispute_desk.proposed_digest IS 'what the second clerk confirms | sm3:… over claim, value and decision | internal';
COMMENT ON COLUMN dispute_desk.proposed_at IS 'when | UTC | internal';
COMMENT ON COLUMN dispute_desk.decided_by IS 'clerk who confirmed, another one | staff id | internal';
COMMENT ON COLUMN dispute_desk.decided_reason IS 'why | sealed text | personal';
COMMENT ON COLUMN dispute_desk.decided_at IS 'when | UTC | internal';
COMMENT ON COLUMN dispute_desk.returned IS 'how often the second clerk sent it back | count | internal';

CREATE UNIQUE INDEX dispute_one_open ON dispute (subject, attribute) WHERE state = 'open';

CREATE INDEX dispute_desk_open ON dispute_desk (due_on) WHERE state IN ('open','proposed');

CREATE TABLE register_version (
    subject text NOT NULL,
    version integer NOT NULL,
    attribute text NOT NULL,
    value bytea NOT NULL,
    dispute uuid NOT NULL,
    ended_on date NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (subject, version, attribute)
);
COMMENT ON TABLE register_version IS 'Register rows as they were before a correction 登记历史: nothing is overwritten without a trace (R-304)';
COMMENT ON COLUMN register_version.subject IS 'whose row | identifier | personal';
COMMENT ON COLUMN register_version.version IS 'version the value belonged to | count | internal';
COMMENT ON COLUMN register_version.attribute IS 'which attribute was corrected | code | internal';
COMMENT ON COLUMN register_version.value IS 'the value before | sealed text | personal sensitive';
COMMENT ON COLUMN register_version.dispute IS 'dispute that corrected it | UUIDv7 | internal';
COMMENT ON COLUMN register_version.ended_on IS 'last day it counted | date | internal';
COMMENT ON COLUMN register_version.at IS 'when it was corrected | UTC | internal';

CREATE TABLE correction (
    subject text NOT NULL,
    attribute text NOT NULL,
    version integer NOT NULL,
    dispute uuid NOT NULL,
    effective date NOT NULL,
    applied_at timestamptz NOT NULL,
    taken boolean NOT NULL,
    PRIMARY KEY (subject, attribute, version)
);
COMMENT ON TABLE correction IS 'Corrections heard of people this node holds 听到的更正 (identity.md 6.7)';
COMMENT ON COLUMN correction.subject IS 'whose | identifier | personal';
COMMENT ON COLUMN correction.attribute IS 'which attribute | code | internal';
COMMENT ON COLUMN correction.version IS 'version of the register row | count | internal';
COMMENT ON COLUMN correction.dispute IS 'dispute behind it | UUIDv7 | internal';
COMMENT ON COLUMN correction.effective IS 'from which day | date | internal';
COMMENT ON COLUMN correction.applied_at IS 'when applied here | UTC | internal';
COMMENT ON COLUMN correction.taken IS 'the value came along and was taken over | boolean | internal';

CREATE TABLE corrected_use (
    subject text NOT NULL,
    id uuid NOT NULL,
    attribute text NOT NULL,
    version integer NOT NULL,
    kind text NOT NULL,
    ref text NOT NULL,
    title bytea NOT NULL,
    link text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (subject, id),
    UNIQUE (subject, attribute, version, kind, ref)
);
COMMENT ON TABLE corrected_use IS 'Things that used a value before its correction 用过旧信息的事项, listed for their owner';
COMMENT ON COLUMN corrected_use.subject IS 'whose | identifier | personal';
COMMENT ON COLUMN corrected_use.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN corrected_use.attribute IS 'which attribute | code | internal';
COMMENT ON COLUMN corrected_use.version IS 'version of the register row | count | internal';
COMMENT ON COLUMN corrected_use.kind IS 'sort of thing | case, draft, credential, mandate | internal';
COMMENT ON COLUMN corrected_use.ref IS 'the thing | id | internal';
COMMENT ON COLUMN corrected_use.title IS 'its name in words | sealed text | personal';
COMMENT ON COLUMN corrected_use.link IS 'its page at this node | path | internal';
COMMENT ON COLUMN corrected_use.at IS 'when listed | UTC | internal';

CREATE TABLE account_move (
    subject text NOT NULL,
    id uuid NOT NULL,
    side text NOT NULL CHECK (side IN ('from','to')),
    other text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting','stopped','released','opened')),
    asked_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    in_person boolean NOT NULL DEFAULT false,
    parcel bytea,
    ended_at timestamptz,
    PRIMARY KEY (subject, id),
    UNIQUE (id)
);
COMMENT ON TABLE account_move IS 'Accounts on their way to another home 账号迁移 (identity.md 6.6), at the old home and at the new';
COMMENT ON COLUMN account_move.subject IS 'whose | identifier | personal';
COMMENT ON COLUMN account_move.id IS 'move id, the same at both ends | UUIDv7 | internal';
COMMENT ON COLUMN account_move.side IS 'this node is the old home or the new | code | internal';
COMMENT ON COLUMN account_move.other IS 'the other end | node id | internal';
COMMENT ON COLUMN account_move.state IS 'where it stands | code | internal';
COMMENT ON COLUMN account_move.asked_at IS 'when asked | UTC | internal';
COMMENT ON COLUMN account_move.due_at IS 'when the old home lets go, 24 hours on unless in person | UTC | internal';
COMMENT ON COLUMN account_move.in_person IS 'asked at level 4 before a clerk | boolean | internal';
COMMENT ON COLUMN account_move.parcel IS 'what came along: release, name, number, phone, proof | sealed JSON | personal sensitive';
COMMENT ON COLUMN account_move.ended_at IS 'when stopped, released or opened | UTC | internal';

CREATE INDEX account_move_due ON account_move (due_at) WHERE state = 'waiting';
CREATE INDEX account_move_parcel ON account_move (state) WHERE state = 'released' AND side = 'to';

ALTER TABLE account ADD COLUMN moved_to text;
ALTER TABLE account ADD COLUMN moved_at timestamptz;
COMMENT ON COLUMN account.moved_to IS 'new home, told for one year | node id | internal';
COMMENT ON COLUMN account.moved_at IS 'when it moved | UTC | internal';
ALTER TABLE subject_alias ADD COLUMN rewritten_at timestamptz;
ALTER TABLE subject_alias ADD COLUMN old_sealed bytea;
COMMENT ON COLUMN subject_alias.rewritten_at IS 'when the rows under the old pseudonym were rewritten by the job, null while it waits | UTC | internal';
COMMENT ON COLUMN subject_alias.old_sealed IS 'the pseudonym before, for the job that rewrites rows; null once done | sealed text | personal';

CREATE TABLE demo_register (
    id smallint NOT NULL DEFAULT 1 CHECK (id = 1),
    way text NOT NULL,
    PRIMARY KEY (id)
);
COMMENT ON TABLE demo_register IS 'How the demo register behaves 演示登记库的状态, on the register''s demo node only';
COMMENT ON COLUMN demo_register.id IS 'the only row | 1 | internal';
COMMENT ON COLUMN demo_register.way IS 'works, slow, wrong or away | code | internal';

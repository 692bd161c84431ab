-- staff 工作人员: joining, four eyes, reasons for reading, counter visits, break-glass; division of credentials, delayed ledger lines.

ALTER TABLE staff ADD COLUMN joined_at timestamptz;
ALTER TABLE staff ADD COLUMN suspended_at timestamptz;
ALTER TABLE staff ADD COLUMN citizen_number bytea;
COMMENT ON COLUMN staff.joined_at IS 'when the own key was bound, null for somebody of before or not yet joined | UTC | internal';
COMMENT ON COLUMN staff.suspended_at IS 'suspended since, null when not | UTC | internal';
COMMENT ON COLUMN staff.citizen_number IS 'own citizen number until the register has named the subject, then null | sealed text | personal sensitive';

CREATE TABLE staff_invitation (
    subject text NOT NULL,
    id uuid NOT NULL,
    code_hash bytea NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    tries smallint NOT NULL DEFAULT 0,
    used_at timestamptz,
    invited_by text NOT NULL,
    confirmed_by text NOT NULL,
    PRIMARY KEY (subject, id),
    CHECK (invited_by <> confirmed_by OR invited_by = 'host')
);
COMMENT ON TABLE staff_invitation IS 'Invitation of staff 入职邀请: one code, one use, invited by one and confirmed by another (identity.md 9)';
COMMENT ON COLUMN staff_invitation.subject IS 'staff id s… | identifier | internal';
COMMENT ON COLUMN staff_invitation.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN staff_invitation.code_hash IS 'HMAC-SM3 of staff id and code | 32 bytes | secret';
COMMENT ON COLUMN staff_invitation.made_at IS 'when | UTC | internal';
COMMENT ON COLUMN staff_invitation.expires_at IS 'end | UTC | internal';
COMMENT ON COLUMN staff_invitation.tries IS 'wrong codes | count | internal';
COMMENT ON COLUMN staff_invitation.used_at IS 'used | UTC | internal';
COMMENT ON COLUMN staff_invitation.invited_by IS 'who invited | staff id, or host for the command line | internal';
COMMENT ON COLUMN staff_invitation.confirmed_by IS 'who confirmed, another one | staff id or host | internal';

CREATE TABLE proposal (
    id uuid NOT NULL,
    kind text NOT NULL,
    division text NOT NULL,
    org text NOT NULL DEFAULT '',
    words text NOT NULL,
    body bytea NOT NULL,
    digest text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open','approved','refused','expired')),
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    reason text NOT NULL DEFAULT '',
    PRIMARY KEY (id),
    CHECK (decided_by IS NULL OR decided_by <> proposed_by)
);
CREATE INDEX proposal_open ON proposal (state, proposed_at);
COMMENT ON TABLE proposal IS 'Proposal 提议: four eyes on the digest of what is approved (identity.md 9)';
COMMENT ON COLUMN proposal.id IS 'proposal | UUIDv7 | internal';
COMMENT ON COLUMN proposal.kind IS 'what it is about | code room.what | internal';
COMMENT ON COLUMN proposal.division IS 'area of the object | GB/T 2260 | internal';
COMMENT ON COLUMN proposal.org IS 'organisation of the object, empty for all | 18 characters | internal';
COMMENT ON COLUMN proposal.words IS 'what it is in words, no person in them | text | internal';
COMMENT ON COLUMN proposal.body IS 'what is approved, canonical JSON | sealed bytes | personal';
COMMENT ON COLUMN proposal.digest IS 'digest of kind, area and body, pinned at the proposal | sm3:base64url | internal';
COMMENT ON COLUMN proposal.state IS 'open, approved, refused, expired | word | internal';
COMMENT ON COLUMN proposal.proposed_by IS 'who proposed | staff id s… | internal';
COMMENT ON COLUMN proposal.proposed_at IS 'when | UTC | internal';
COMMENT ON COLUMN proposal.expires_at IS 'end | UTC | internal';
COMMENT ON COLUMN proposal.decided_by IS 'who decided, another one | staff id s… | internal';
COMMENT ON COLUMN proposal.decided_at IS 'when decided | UTC | internal';
COMMENT ON COLUMN proposal.reason IS 'why refused | text, no person in it | internal';

CREATE TABLE staff_notice (
    staff text NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    words text NOT NULL,
    link text NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    seen_at timestamptz,
    PRIMARY KEY (staff, id)
);
COMMENT ON TABLE staff_notice IS 'Notice to a member of staff 给工作人员的通知, written in the transaction it tells of';
COMMENT ON COLUMN staff_notice.staff IS 'to whom | staff id s… | internal';
COMMENT ON COLUMN staff_notice.id IS 'notice | UUIDv7 | internal';
COMMENT ON COLUMN staff_notice.kind IS 'kind | code | internal';
COMMENT ON COLUMN staff_notice.words IS 'what happened, no citizen in it | text | internal';
COMMENT ON COLUMN staff_notice.link IS 'page of this node | path | internal';
COMMENT ON COLUMN staff_notice.at IS 'when | UTC | internal';
COMMENT ON COLUMN staff_notice.seen_at IS 'when opened | UTC | internal';

CREATE TABLE counter_visit (
    subject text NOT NULL,
    id uuid NOT NULL,
    staff text NOT NULL,
    unit text NOT NULL,
    at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (subject, id)
);
CREATE INDEX counter_visit_staff ON counter_visit (staff, until);
COMMENT ON TABLE counter_visit IS 'Counter visit now 窗口正在接待: person and document in front of the clerk (identity.md 9)';
COMMENT ON COLUMN counter_visit.subject IS 'who is there | identifier | personal';
COMMENT ON COLUMN counter_visit.id IS 'visit | UUIDv7 | internal';
COMMENT ON COLUMN counter_visit.staff IS 'clerk | staff id s… | internal';
COMMENT ON COLUMN counter_visit.unit IS 'unit in words | text | internal';
COMMENT ON COLUMN counter_visit.at IS 'begin | UTC | internal';
COMMENT ON COLUMN counter_visit.until IS 'end, 30 minutes | UTC | internal';

CREATE TABLE break_glass (
    id uuid NOT NULL,
    staff text NOT NULL,
    unit text NOT NULL,
    division text NOT NULL,
    org text NOT NULL,
    reason text NOT NULL,
    said bytea NOT NULL,
    told text NOT NULL,
    opened_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    ended_at timestamptz,
    review_by date NOT NULL,
    reviewed_by text,
    reviewed_at timestamptz,
    verdict text,
    review_words text NOT NULL DEFAULT '',
    delayed_by text,
    delayed_until timestamptz,
    delay_basis text NOT NULL DEFAULT '',
    overdue_told boolean NOT NULL DEFAULT false,
    PRIMARY KEY (id),
    CHECK (reviewed_by IS NULL OR reviewed_by <> staff),
    CHECK (delayed_by IS NULL OR delayed_by <> staff),
    CHECK (told <> staff)
);
CREATE INDEX break_glass_staff ON break_glass (staff, until);
COMMENT ON TABLE break_glass IS 'Break-glass 紧急访问: an hour at most, twenty persons at most, told at once, reviewed, seen by the person (identity.md 9)';
COMMENT ON COLUMN break_glass.id IS 'access | UUIDv7 | internal';
COMMENT ON COLUMN break_glass.staff IS 'who broke the glass | staff id s… | internal';
COMMENT ON COLUMN break_glass.unit IS 'unit in words | text | internal';
COMMENT ON COLUMN break_glass.division IS 'area of the unit | GB/T 2260 | internal';
COMMENT ON COLUMN break_glass.org IS 'organisation of the unit | 18 characters | internal';
COMMENT ON COLUMN break_glass.reason IS 'reason of the list | code of emergency.toml | internal';
COMMENT ON COLUMN break_glass.said IS 'reason in words | sealed text | personal';
COMMENT ON COLUMN break_glass.told IS 'who was told at once | staff id s… | internal';
COMMENT ON COLUMN break_glass.opened_at IS 'begin | UTC | internal';
COMMENT ON COLUMN break_glass.until IS 'end | UTC | internal';
COMMENT ON COLUMN break_glass.ended_at IS 'ended before its time | UTC | internal';
COMMENT ON COLUMN break_glass.review_by IS 'last day of the review | day in China | internal';
COMMENT ON COLUMN break_glass.reviewed_by IS 'security officer | staff id s… | internal';
COMMENT ON COLUMN break_glass.reviewed_at IS 'when reviewed | UTC | internal';
COMMENT ON COLUMN break_glass.verdict IS 'in order or not | word | internal';
COMMENT ON COLUMN break_glass.review_words IS 'what the review found, no person in it | text | internal';
COMMENT ON COLUMN break_glass.delayed_by IS 'second officer who delays the ledger line | staff id s… | internal';
COMMENT ON COLUMN break_glass.delayed_until IS 'day the person sees the lines at the latest | UTC | internal';
COMMENT ON COLUMN break_glass.delay_basis IS 'article for the delay | text | internal';
COMMENT ON COLUMN break_glass.overdue_told IS 'whether the missed review was told | boolean | internal';

CREATE TABLE break_glass_person (
    subject text NOT NULL,
    glass uuid NOT NULL,
    named_at timestamptz NOT NULL,
    way text NOT NULL,
    ref bytea NOT NULL,
    PRIMARY KEY (subject, glass)
);
CREATE INDEX break_glass_person_glass ON break_glass_person (glass);
COMMENT ON TABLE break_glass_person IS 'Persons named in a break-glass access 紧急访问点名的人';
COMMENT ON COLUMN break_glass_person.subject IS 'person | identifier | personal';
COMMENT ON COLUMN break_glass_person.glass IS 'access | UUIDv7 | internal';
COMMENT ON COLUMN break_glass_person.named_at IS 'when named | UTC | internal';
COMMENT ON COLUMN break_glass_person.way IS 'named by case or by number | word | internal';
COMMENT ON COLUMN break_glass_person.ref IS 'case number or document number as typed | sealed text | personal sensitive';

-- reasons: break-glass is one more kind; how many persons a clerk reads in an hour must be found quickly
ALTER TABLE access_reason DROP CONSTRAINT access_reason_kind_check;
ALTER TABLE access_reason ADD CONSTRAINT access_reason_kind_check CHECK (kind IN ('case','queue','visit','dispute','emergency'));
CREATE INDEX access_reason_staff ON access_reason (staff, at);

-- T-61: the division whose body issued a credential; empty for one that no case led to (then the node's whole area counts)
ALTER TABLE credential ADD COLUMN division text NOT NULL DEFAULT '';
COMMENT ON COLUMN credential.division IS 'division of the issuing body, empty when no case led to it | GB/T 2260 | internal';
UPDATE credential SET division = c.division FROM case_record c WHERE c.id::text = credential.case_id;
-- the code before this one does not know the column: what it issues beside the new code gets its division here
CREATE FUNCTION credential_division() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.division = '' AND NEW.case_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        SELECT c.division INTO NEW.division FROM case_record c WHERE c.id = NEW.case_id::uuid LIMIT 1;
        NEW.division := coalesce(NEW.division, '');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER credential_division BEFORE INSERT ON credential FOR EACH ROW EXECUTE FUNCTION credential_division();

-- a ledger line may be held back with a basis and a day, never left out, and is never changed itself (privacy.md 6)
CREATE TABLE access_delay (
    about text NOT NULL,
    until timestamptz NOT NULL,
    basis text NOT NULL,
    PRIMARY KEY (about)
);
COMMENT ON TABLE access_delay IS 'Ledger lines shown later 推迟显示的台账, with the article and the day (privacy.md 6)';
COMMENT ON COLUMN access_delay.about IS 'what the lines are about | kind:id | internal';
COMMENT ON COLUMN access_delay.until IS 'day from which the person sees them | UTC | internal';
COMMENT ON COLUMN access_delay.basis IS 'article for showing them later | text | internal';

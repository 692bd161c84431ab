-- cases 办件: drafts, the owner's rows (state, history, clocks), and the mirror of the applicant's node
CREATE TABLE draft (
    subject        text        NOT NULL,
    id             uuid        NOT NULL,
    actor_subject  text        NOT NULL,
    task_code      text        NOT NULL,
    item_version   text        NOT NULL,
    item_digest    text        NOT NULL,
    state          text        NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'submitted', 'discarded')),
    step           text        NOT NULL DEFAULT '',
    file           bytea       NOT NULL,
    made_at        timestamptz NOT NULL,
    touched_at     timestamptz NOT NULL,
    told_at        timestamptz,
    PRIMARY KEY (subject, id)
);
CREATE INDEX draft_untouched ON draft (touched_at) WHERE state = 'draft';
COMMENT ON TABLE draft IS 'A form being filled (暂存); lives where it was made, 90 days after the last touch (cases.md 6)';
COMMENT ON COLUMN draft.subject IS 'for whom | subject | personal';
COMMENT ON COLUMN draft.id IS 'draft, and key of the submission: the case has the same id | UUIDv7 | internal';
COMMENT ON COLUMN draft.actor_subject IS 'who fills it, when acting for another | subject | personal';
COMMENT ON COLUMN draft.task_code IS 'item | implementation code | public';
COMMENT ON COLUMN draft.item_version IS 'item version the form follows | text | public';
COMMENT ON COLUMN draft.item_digest IS 'digest of that version | sm3:… | public';
COMMENT ON COLUMN draft.state IS 'draft, submitted or discarded | code | internal';
COMMENT ON COLUMN draft.step IS 'step last saved | step code | internal';
COMMENT ON COLUMN draft.file IS 'answers with their sources and materials, one document | sealed JSON | personal';
COMMENT ON COLUMN draft.made_at IS 'when begun | UTC | internal';
COMMENT ON COLUMN draft.touched_at IS 'when last saved | UTC | internal';
COMMENT ON COLUMN draft.told_at IS 'when the person was told that it will be deleted | UTC | internal';

CREATE TABLE case_record (
    subject        text        NOT NULL,
    id             uuid        NOT NULL,
    number         text        NOT NULL,
    org_code       text        NOT NULL,
    division       text        NOT NULL,
    task_code      text        NOT NULL,
    item_version   text        NOT NULL,
    item_digest    text        NOT NULL,
    item_name      text        NOT NULL,
    applicant_node text        NOT NULL,
    window_node    text        NOT NULL DEFAULT '',
    term           integer     NOT NULL,
    rev            integer     NOT NULL,
    state          text        NOT NULL,
    public_state   text        NOT NULL,
    state_before   text        NOT NULL DEFAULT '',
    immediate      boolean     NOT NULL DEFAULT false,
    joint          boolean     NOT NULL DEFAULT false,
    worker         text        NOT NULL DEFAULT '',
    asked          boolean     NOT NULL DEFAULT false,
    extended       boolean     NOT NULL DEFAULT false,
    offered_term   integer     NOT NULL DEFAULT 0,
    decided        text        NOT NULL DEFAULT '' CHECK (decided IN ('', 'granted', 'refused')),
    special_kind   text        NOT NULL DEFAULT '',
    credential     text        NOT NULL DEFAULT '',
    new_owner      text        NOT NULL DEFAULT '',
    submitted_at   timestamptz NOT NULL,
    received_on    date        NOT NULL,
    changed_at     timestamptz NOT NULL,
    due_kind       text        NOT NULL DEFAULT '',
    due_on         date,
    file           bytea       NOT NULL,
    PRIMARY KEY (subject, id)
);
CREATE INDEX case_record_id ON case_record (id);
CREATE INDEX case_record_queue ON case_record (org_code, due_on, id);
CREATE INDEX case_record_state ON case_record (state, changed_at);
COMMENT ON TABLE case_record IS 'The state row of a case at its owner (办件, cases.md 1); one owner a term';
COMMENT ON COLUMN case_record.subject IS 'applicant | subject | personal';
COMMENT ON COLUMN case_record.id IS 'case, made with the draft | UUIDv7 | internal';
COMMENT ON COLUMN case_record.number IS 'case number (办件编号, D-8) | 22 digits | internal';
COMMENT ON COLUMN case_record.org_code IS 'department that handles it | 18-character code | internal';
COMMENT ON COLUMN case_record.division IS 'place of that department | GB/T 2260, 6 digits | internal';
COMMENT ON COLUMN case_record.task_code IS 'item | implementation code | public';
COMMENT ON COLUMN case_record.item_version IS 'item version | text | public';
COMMENT ON COLUMN case_record.item_digest IS 'digest of that version | sm3:… | public';
COMMENT ON COLUMN case_record.item_name IS 'name of the item for lists | text | public';
COMMENT ON COLUMN case_record.applicant_node IS 'node where it was submitted; the mirror | node id | internal';
COMMENT ON COLUMN case_record.window_node IS 'node of the window that took it on paper, empty if online | node id | internal';
COMMENT ON COLUMN case_record.term IS 'ownership term, 1 more with each hand-over | count | internal';
COMMENT ON COLUMN case_record.rev IS 'what the owner said last within the term | count | internal';
COMMENT ON COLUMN case_record.state IS 'state of process.yaml | code | internal';
COMMENT ON COLUMN case_record.public_state IS 'what the public is shown: 待受理 已受理 已办结 | text | internal';
COMMENT ON COLUMN case_record.state_before IS 'state before an offer, to fall back to | code | internal';
COMMENT ON COLUMN case_record.immediate IS 'an item decided on the spot (即办件) | boolean | internal';
COMMENT ON COLUMN case_record.joint IS 'handled jointly (联办): the longer limits | boolean | internal';
COMMENT ON COLUMN case_record.worker IS 'case worker | staff id | internal';
COMMENT ON COLUMN case_record.asked IS 'a correction was asked, in any term (I-4) | boolean | internal';
COMMENT ON COLUMN case_record.extended IS 'the decision clock was extended (T13) | boolean | internal';
COMMENT ON COLUMN case_record.offered_term IS 'last term in which it was offered to another body | count | internal';
COMMENT ON COLUMN case_record.decided IS 'granted, refused or empty | code | internal';
COMMENT ON COLUMN case_record.special_kind IS 'special procedure that runs | code | internal';
COMMENT ON COLUMN case_record.credential IS 'credential issued for it | credential id | internal';
COMMENT ON COLUMN case_record.new_owner IS 'node it was offered or handed over to | node id | internal';
COMMENT ON COLUMN case_record.submitted_at IS 'when it was submitted | UTC | internal';
COMMENT ON COLUMN case_record.received_on IS 'day of receipt, start of the first clock | China date | internal';
COMMENT ON COLUMN case_record.changed_at IS 'last transition | UTC | internal';
COMMENT ON COLUMN case_record.due_kind IS 'clock that runs now | code | internal';
COMMENT ON COLUMN case_record.due_on IS 'last day of that clock; null while paused | China date | internal';
COMMENT ON COLUMN case_record.file IS 'form, identity evidence, correction asked, decision: one document | sealed JSON | personal';

CREATE TABLE case_history (
    subject        text        NOT NULL,
    case_id        uuid        NOT NULL,
    n              integer     NOT NULL,
    term           integer     NOT NULL,
    rev            integer     NOT NULL,
    transition     text        NOT NULL,
    state_before   text        NOT NULL,
    state_after    text        NOT NULL,
    at             timestamptz NOT NULL,
    by_kind        text        NOT NULL,
    by_ref         text        NOT NULL,
    unit           text        NOT NULL DEFAULT '',
    title          text        NOT NULL,
    shown          bytea,
    opinion        bytea,
    leaf           text        NOT NULL DEFAULT '',
    PRIMARY KEY (subject, case_id, n)
);
COMMENT ON TABLE case_history IS 'What happened to a case (经过), append-only: a trigger refuses change';
COMMENT ON COLUMN case_history.subject IS 'applicant | subject | personal';
COMMENT ON COLUMN case_history.case_id IS 'case | UUIDv7 | internal';
COMMENT ON COLUMN case_history.n IS 'line of the case, from 1 | count | internal';
COMMENT ON COLUMN case_history.term IS 'ownership term | count | internal';
COMMENT ON COLUMN case_history.rev IS 'revision after this line | count | internal';
COMMENT ON COLUMN case_history.transition IS 'T01 … T28, or note, opinion, opened | code | internal';
COMMENT ON COLUMN case_history.state_before IS 'state | code | internal';
COMMENT ON COLUMN case_history.state_after IS 'state | code | internal';
COMMENT ON COLUMN case_history.at IS 'when | UTC | internal';
COMMENT ON COLUMN case_history.by_kind IS 'officer, head, supervisor, window, applicant, agent, peer or clock | code | internal';
COMMENT ON COLUMN case_history.by_ref IS 'staff id or node id; empty for the clock and the applicant | id | internal';
COMMENT ON COLUMN case_history.unit IS 'department of the officer, as shown outside | text | internal';
COMMENT ON COLUMN case_history.title IS 'line of the timeline in plain words | text | internal';
COMMENT ON COLUMN case_history.shown IS 'text the applicant reads | sealed text | personal';
COMMENT ON COLUMN case_history.opinion IS 'internal opinion, never leaves the owner | sealed text | personal';
COMMENT ON COLUMN case_history.leaf IS 'leaf of the transparency log | id | internal';

CREATE TABLE case_clock (
    subject          text     NOT NULL,
    case_id          uuid     NOT NULL,
    kind             text     NOT NULL CHECK (kind IN ('intake', 'correction', 'decision', 'first_review', 'delivery')),
    round            smallint NOT NULL,
    unit             text     NOT NULL CHECK (unit IN ('working', 'calendar')),
    started_on       date     NOT NULL,
    limit_days       integer  NOT NULL,
    statutory_days   integer  NOT NULL,
    statutory_unit   text     NOT NULL CHECK (statutory_unit IN ('working', 'calendar')),
    paused_on        date,
    paused_days      integer  NOT NULL DEFAULT 0,
    paused_statutory integer  NOT NULL DEFAULT 0,
    due_on           date     NOT NULL,
    statutory_due_on date     NOT NULL,
    provisional      boolean  NOT NULL,
    stopped_on       date,
    reminded_on      date,
    PRIMARY KEY (subject, case_id, kind, round)
);
CREATE INDEX case_clock_due ON case_clock (kind, due_on) WHERE stopped_on IS NULL;
COMMENT ON TABLE case_clock IS 'Deadline clocks of a case (时限, cases.md 3); due days are computed when something happens, never by a job';
COMMENT ON COLUMN case_clock.subject IS 'applicant | subject | personal';
COMMENT ON COLUMN case_clock.case_id IS 'case | UUIDv7 | internal';
COMMENT ON COLUMN case_clock.kind IS 'which deadline | code | internal';
COMMENT ON COLUMN case_clock.round IS 'how often this kind was started | count | internal';
COMMENT ON COLUMN case_clock.unit IS 'working or calendar days | code | internal';
COMMENT ON COLUMN case_clock.started_on IS 'day of the event; it does not count | China date | internal';
COMMENT ON COLUMN case_clock.limit_days IS 'promised length (承诺时限), extension included | days of unit | internal';
COMMENT ON COLUMN case_clock.statutory_days IS 'length the law allows (法定时限), extension included | days of statutory_unit | internal';
COMMENT ON COLUMN case_clock.statutory_unit IS 'unit of the length the law allows | code | internal';
COMMENT ON COLUMN case_clock.paused_on IS 'since when it stands still, null while it runs | China date | internal';
COMMENT ON COLUMN case_clock.paused_days IS 'days of pauses that ended | days of unit | internal';
COMMENT ON COLUMN case_clock.paused_statutory IS 'days of pauses that ended | days of statutory_unit | internal';
COMMENT ON COLUMN case_clock.due_on IS 'last day of the promise | China date | internal';
COMMENT ON COLUMN case_clock.statutory_due_on IS 'last day in law | China date | internal';
COMMENT ON COLUMN case_clock.provisional IS 'reckoned on a year whose calendar is not yet published | boolean | internal';
COMMENT ON COLUMN case_clock.stopped_on IS 'when it ended | China date | internal';
COMMENT ON COLUMN case_clock.reminded_on IS 'when the unit was reminded | China date | internal';

CREATE TABLE case_material (
    subject        text     NOT NULL,
    case_id        uuid     NOT NULL,
    code           text     NOT NULL,
    material       uuid     NOT NULL,
    round          smallint NOT NULL,
    PRIMARY KEY (subject, case_id, code, material)
);
COMMENT ON TABLE case_material IS 'Files of a case by the material of the item they stand for (办件材料)';
COMMENT ON COLUMN case_material.subject IS 'applicant | subject | personal';
COMMENT ON COLUMN case_material.case_id IS 'case | UUIDv7 | internal';
COMMENT ON COLUMN case_material.code IS 'material of the item | code | internal';
COMMENT ON COLUMN case_material.material IS 'file | UUIDv7 | internal';
COMMENT ON COLUMN case_material.round IS '0 with the submission, 1 with the correction | count | internal';

CREATE TABLE case_document (
    subject        text        NOT NULL,
    case_id        uuid        NOT NULL,
    id             uuid        NOT NULL,
    kind           text        NOT NULL,
    title          text        NOT NULL,
    material       uuid        NOT NULL,
    made_at        timestamptz NOT NULL,
    PRIMARY KEY (subject, case_id, id)
);
COMMENT ON TABLE case_document IS 'Sealed documents of a case (文书): notices and decisions';
COMMENT ON COLUMN case_document.subject IS 'applicant | subject | personal';
COMMENT ON COLUMN case_document.case_id IS 'case | UUIDv7 | internal';
COMMENT ON COLUMN case_document.id IS 'document | UUIDv7 | internal';
COMMENT ON COLUMN case_document.kind IS 'correction, acceptance, not_accepted, granted, refused, special, extended | code | internal';
COMMENT ON COLUMN case_document.title IS 'title of the document | text | internal';
COMMENT ON COLUMN case_document.material IS 'the sealed file | UUIDv7 | internal';
COMMENT ON COLUMN case_document.made_at IS 'when made | UTC | internal';

CREATE TABLE case_standing (
    subject        text        NOT NULL,
    case_id        uuid        NOT NULL,
    request        uuid        NOT NULL,
    kind           text        NOT NULL CHECK (kind IN ('withdraw', 'correct')),
    from_node      text        NOT NULL,
    sent_at        timestamptz NOT NULL,
    came_at        timestamptz NOT NULL,
    content        bytea       NOT NULL,
    answer         text        NOT NULL DEFAULT '',
    answered_at    timestamptz,
    PRIMARY KEY (subject, case_id, request)
);
COMMENT ON TABLE case_standing IS 'Requests of the applicant at the owner (请求), answered once each (I-8)';
COMMENT ON COLUMN case_standing.subject IS 'applicant | subject | personal';
COMMENT ON COLUMN case_standing.case_id IS 'case | UUIDv7 | internal';
COMMENT ON COLUMN case_standing.request IS 'request | UUIDv7 | internal';
COMMENT ON COLUMN case_standing.kind IS 'withdraw or correct | code | internal';
COMMENT ON COLUMN case_standing.from_node IS 'node that sent it | node id | internal';
COMMENT ON COLUMN case_standing.sent_at IS 'when it was sent, counted by the letter or the head statement | UTC | internal';
COMMENT ON COLUMN case_standing.came_at IS 'when it came | UTC | internal';
COMMENT ON COLUMN case_standing.content IS 'body of the request | sealed JSON | personal';
COMMENT ON COLUMN case_standing.answer IS 'done, refused, forwarded, kept or empty | code | internal';
COMMENT ON COLUMN case_standing.answered_at IS 'when answered | UTC | internal';

CREATE TABLE case_offer (
    subject        text        NOT NULL,
    case_id        uuid        NOT NULL,
    term           integer     NOT NULL,
    way            text        NOT NULL CHECK (way IN ('out', 'in')),
    other_node     text        NOT NULL,
    org_code       text        NOT NULL,
    division       text        NOT NULL,
    reason         text        NOT NULL,
    item_name      text        NOT NULL,
    number         text        NOT NULL,
    file           bytea       NOT NULL,
    at             timestamptz NOT NULL,
    answer         text        NOT NULL DEFAULT '' CHECK (answer IN ('', 'taken', 'declined')),
    answered_at    timestamptz,
    PRIMARY KEY (subject, case_id, term, way)
);
CREATE INDEX case_offer_queue ON case_offer (org_code, at) WHERE way = 'in' AND answer = '';
COMMENT ON TABLE case_offer IS 'Hand-overs offered and received (转报, cases.md 4)';
COMMENT ON COLUMN case_offer.subject IS 'applicant | subject | personal';
COMMENT ON COLUMN case_offer.case_id IS 'case | UUIDv7 | internal';
COMMENT ON COLUMN case_offer.term IS 'term in which it was offered | count | internal';
COMMENT ON COLUMN case_offer.way IS 'out from here, in to here | code | internal';
COMMENT ON COLUMN case_offer.other_node IS 'the node on the other side | node id | internal';
COMMENT ON COLUMN case_offer.org_code IS 'department it is offered to | 18-character code | internal';
COMMENT ON COLUMN case_offer.division IS 'place of that department | GB/T 2260 | internal';
COMMENT ON COLUMN case_offer.reason IS 'first_review or not_competent | code | internal';
COMMENT ON COLUMN case_offer.item_name IS 'name of the item for lists | text | public';
COMMENT ON COLUMN case_offer.number IS 'case number | 22 digits | internal';
COMMENT ON COLUMN case_offer.file IS 'the whole file as offered | sealed JSON | personal';
COMMENT ON COLUMN case_offer.at IS 'when offered or come | UTC | internal';
COMMENT ON COLUMN case_offer.answer IS 'taken, declined or empty | code | internal';
COMMENT ON COLUMN case_offer.answered_at IS 'when answered | UTC | internal';

CREATE TABLE case_mirror (
    subject        text        NOT NULL,
    id             uuid        NOT NULL,
    number         text        NOT NULL,
    task_code      text        NOT NULL,
    item_version   text        NOT NULL,
    item_digest    text        NOT NULL,
    item_name      text        NOT NULL,
    owner_node     text        NOT NULL,
    owner_name     text        NOT NULL,
    new_owner      text        NOT NULL DEFAULT '',
    window_staff   text        NOT NULL DEFAULT '',
    term           integer     NOT NULL DEFAULT 0,
    rev            integer     NOT NULL DEFAULT 0,
    state          text        NOT NULL,
    public_state   text        NOT NULL,
    due_kind       text        NOT NULL DEFAULT '',
    due_on         date,
    submitted_at   timestamptz NOT NULL,
    heard_at       timestamptz,
    final_at       timestamptz,
    view           bytea       NOT NULL,
    form           bytea       NOT NULL,
    receipt        jsonb       NOT NULL,
    PRIMARY KEY (subject, id)
);
CREATE INDEX case_mirror_list ON case_mirror (subject, submitted_at DESC);
COMMENT ON TABLE case_mirror IS 'What the applicant''s node knows of a case, fed by the owner''s letters only (镜像, cases.md 7)';
COMMENT ON COLUMN case_mirror.subject IS 'applicant | subject | personal';
COMMENT ON COLUMN case_mirror.id IS 'case | UUIDv7 | internal';
COMMENT ON COLUMN case_mirror.number IS 'case number | 22 digits | internal';
COMMENT ON COLUMN case_mirror.task_code IS 'item | implementation code | public';
COMMENT ON COLUMN case_mirror.item_version IS 'item version | text | public';
COMMENT ON COLUMN case_mirror.item_digest IS 'digest of that version | sm3:… | public';
COMMENT ON COLUMN case_mirror.item_name IS 'name of the item | text | public';
COMMENT ON COLUMN case_mirror.owner_node IS 'node that owns it, as last heard | node id | internal';
COMMENT ON COLUMN case_mirror.owner_name IS 'department that handles it | text | internal';
COMMENT ON COLUMN case_mirror.new_owner IS 'node the owner is handing it over to, as the owner said | node id | internal';
COMMENT ON COLUMN case_mirror.window_staff IS 'clerk of the window that handed it in, empty if online | staff id | internal';
COMMENT ON COLUMN case_mirror.term IS 'as heard | count | internal';
COMMENT ON COLUMN case_mirror.rev IS 'as heard | count | internal';
COMMENT ON COLUMN case_mirror.state IS 'state the owner signed; submitted before its first word | code | internal';
COMMENT ON COLUMN case_mirror.public_state IS 'what the public is shown | text | internal';
COMMENT ON COLUMN case_mirror.due_kind IS 'clock that runs at the owner | code | internal';
COMMENT ON COLUMN case_mirror.due_on IS 'its last day as the owner said | China date | internal';
COMMENT ON COLUMN case_mirror.submitted_at IS 'when submitted here | UTC | internal';
COMMENT ON COLUMN case_mirror.heard_at IS 'when the owner last spoke | UTC | internal';
COMMENT ON COLUMN case_mirror.final_at IS 'when it reached a final state; kept 30 days after | UTC | internal';
COMMENT ON COLUMN case_mirror.view IS 'last case.state body: texts, dates, documents | sealed JSON | personal';
COMMENT ON COLUMN case_mirror.form IS 'what was submitted from here | sealed JSON | personal';
COMMENT ON COLUMN case_mirror.receipt IS 'signed receipt of the submission, no personal field | JSON | internal';

CREATE TABLE case_claim (
    subject        text        NOT NULL,
    case_id        uuid        NOT NULL,
    origin         text        NOT NULL,
    view           bytea       NOT NULL,
    came_at        timestamptz NOT NULL,
    PRIMARY KEY (subject, case_id, origin)
);
COMMENT ON TABLE case_claim IS 'A new owner spoke before the old one named it: kept until the old owner does (letters of two origins have no order)';
COMMENT ON COLUMN case_claim.subject IS 'applicant | subject | personal';
COMMENT ON COLUMN case_claim.case_id IS 'case | UUIDv7 | internal';
COMMENT ON COLUMN case_claim.origin IS 'node that says it owns the case | node id | internal';
COMMENT ON COLUMN case_claim.view IS 'its last case.state body | sealed JSON | personal';
COMMENT ON COLUMN case_claim.came_at IS 'when it came | UTC | internal';

CREATE TABLE case_request (
    subject        text        NOT NULL,
    case_id        uuid        NOT NULL,
    id             uuid        NOT NULL,
    kind           text        NOT NULL CHECK (kind IN ('withdraw', 'correct')),
    asking         integer     NOT NULL DEFAULT 0,
    sent_at        timestamptz NOT NULL,
    answer         text        NOT NULL DEFAULT '',
    answered_at    timestamptz,
    PRIMARY KEY (subject, case_id, kind, asking, id)
);
COMMENT ON TABLE case_request IS 'What the applicant asked from here and the owner''s answer (我的请求)';
COMMENT ON COLUMN case_request.subject IS 'applicant | subject | personal';
COMMENT ON COLUMN case_request.case_id IS 'case | UUIDv7 | internal';
COMMENT ON COLUMN case_request.id IS 'request | UUIDv7 | internal';
COMMENT ON COLUMN case_request.kind IS 'withdraw or correct | code | internal';
COMMENT ON COLUMN case_request.asking IS 'which asking a correction answers; 0 for a withdrawal | count | internal';
COMMENT ON COLUMN case_request.sent_at IS 'when asked | UTC | internal';
COMMENT ON COLUMN case_request.answer IS 'done, refused, kept or empty | code | internal';
COMMENT ON COLUMN case_request.answered_at IS 'when the owner''s answer came | UTC | internal';

CREATE TABLE case_opened (
    subject        text        NOT NULL,
    case_id        uuid        NOT NULL,
    what           text        NOT NULL,
    at             timestamptz NOT NULL,
    PRIMARY KEY (subject, case_id, what)
);
COMMENT ON TABLE case_opened IS 'Notices and documents the applicant has opened here; each told to the owner once (已阅)';
COMMENT ON COLUMN case_opened.subject IS 'applicant | subject | personal';
COMMENT ON COLUMN case_opened.case_id IS 'case | UUIDv7 | internal';
COMMENT ON COLUMN case_opened.what IS 'correction:<asking> or document:<id> | code | internal';
COMMENT ON COLUMN case_opened.at IS 'first opened | UTC | internal';

CREATE TABLE case_number_block (
    day            date        NOT NULL PRIMARY KEY,
    next           bigint      NOT NULL
);
COMMENT ON TABLE case_number_block IS 'Next free case number of the day; processes take blocks (D-8)';
COMMENT ON COLUMN case_number_block.day IS 'China date | date | internal';
COMMENT ON COLUMN case_number_block.next IS 'first number of the next block | count | internal';

CREATE FUNCTION case_history_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'append-only: %', TG_TABLE_NAME USING ERRCODE = 'raise_exception';
END $$;
CREATE TRIGGER case_history_only_grows BEFORE UPDATE OR DELETE ON case_history
    FOR EACH ROW EXECUTE FUNCTION case_history_refuse_change();

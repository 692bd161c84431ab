-- privacy 个人信息权益: a hold on one case, rights at a desk, guardians, relatives of the dead (privacy.md 4, 7; R-409, R-804). Additive.

-- a legal hold on one case: the rest is erased now, the case when the hold ends
ALTER TABLE leaving ADD COLUMN counts jsonb NOT NULL DEFAULT '{}';
ALTER TABLE leaving ADD COLUMN partly_at timestamptz;
COMMENT ON COLUMN leaving.counts IS 'rows erased already while a case is held, by title of the holding | object of counts | internal';
COMMENT ON COLUMN leaving.partly_at IS 'when everything but a held case was erased; null: nothing yet | UTC | internal';

-- papers that open a copy without signing in, as a closing has one: for who has no phone, and for relatives
CREATE TABLE copy_page (
    id uuid NOT NULL,
    link_hash bytea NOT NULL,
    code_hash bytea NOT NULL,
    made_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    wrong smallint NOT NULL DEFAULT 0,
    wrong_at timestamptz,
    PRIMARY KEY (id),
    UNIQUE (link_hash)
);
COMMENT ON TABLE copy_page IS 'Page of a copy that was asked for at a desk 凭条取副本: found by a random address and a code; names nobody';
COMMENT ON COLUMN copy_page.id IS 'which copy | UUIDv7 | internal';
COMMENT ON COLUMN copy_page.link_hash IS 'SM3 of the random part of the address | 32 bytes | secret';
COMMENT ON COLUMN copy_page.code_hash IS 'keyed hash of the code | 32 bytes | secret';
COMMENT ON COLUMN copy_page.made_at IS 'when the copy was asked for | UTC | internal';
COMMENT ON COLUMN copy_page.until IS 'until when the page can be opened | UTC | internal';
COMMENT ON COLUMN copy_page.wrong IS 'wrong codes in the running hour | count | internal';
COMMENT ON COLUMN copy_page.wrong_at IS 'when that hour began | UTC | internal';

CREATE TABLE desk_right (
    subject text NOT NULL,
    id uuid NOT NULL,
    way text NOT NULL CHECK (way IN ('self', 'relative')),
    kind text NOT NULL CHECK (kind IN ('copy', 'closing', 'stop', 'alive', 'correct')),
    asker_subject text NOT NULL,
    told bytea NOT NULL,
    division text NOT NULL,
    unit text NOT NULL DEFAULT '',
    proposed_by text NOT NULL,
    proposal uuid,
    approved_by text,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'refused')),
    result text NOT NULL DEFAULT '',
    paper bytea,
    paper_until timestamptz,
    asked_at timestamptz NOT NULL,
    done_at timestamptz,
    PRIMARY KEY (subject, id),
    UNIQUE (id)
);
CREATE INDEX desk_right_by_staff ON desk_right (proposed_by, asked_at);
CREATE INDEX desk_right_paper ON desk_right (paper_until) WHERE paper IS NOT NULL;
COMMENT ON TABLE desk_right IS '窗口受理的个人信息请求: a copy, a closing, a correction asked for at a desk, by the person or a close relative of somebody who died, under four eyes';
COMMENT ON COLUMN desk_right.subject IS 'whose information | identifier | personal';
COMMENT ON COLUMN desk_right.id IS 'number | UUIDv7 | internal';
COMMENT ON COLUMN desk_right.way IS 'who asks | self, relative | internal';
COMMENT ON COLUMN desk_right.kind IS 'what is asked for; stop: the closing is off; alive: the person was taken for dead | copy, closing, stop, alive, correct | internal';
COMMENT ON COLUMN desk_right.asker_subject IS 'who stood at the desk | identifier | personal';
COMMENT ON COLUMN desk_right.told IS 'relation, day of death, documents seen, reason | sealed JSON | personal sensitive';
COMMENT ON COLUMN desk_right.division IS 'division of the desk | GB/T 2260 | internal';
COMMENT ON COLUMN desk_right.unit IS 'desk | text | internal';
COMMENT ON COLUMN desk_right.proposed_by IS 'clerk who received it | staff id | internal';
COMMENT ON COLUMN desk_right.proposal IS 'proposal the second clerk decides | UUIDv7 | internal';
COMMENT ON COLUMN desk_right.approved_by IS 'clerk who confirmed it | staff id | internal';
COMMENT ON COLUMN desk_right.state IS 'where it stands | waiting, done, refused | internal';
COMMENT ON COLUMN desk_right.result IS 'number of the closing, copy or dispute; why not, when refused | text | internal';
COMMENT ON COLUMN desk_right.paper IS 'address and code to be printed, until the person has left the desk | sealed text | personal';
COMMENT ON COLUMN desk_right.paper_until IS 'until when the desk can print it | UTC | internal';
COMMENT ON COLUMN desk_right.asked_at IS 'when it was received | UTC | internal';
COMMENT ON COLUMN desk_right.done_at IS 'when it was decided | UTC | internal';

-- what a person wants to be done with their information after death (个人信息保护法 49): a choice changes by a new row
CREATE TABLE after_me (
    subject text NOT NULL,
    id uuid NOT NULL,
    choice text NOT NULL,
    level smallint NOT NULL,
    text_digest text NOT NULL,
    made_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (subject, id)
);
CREATE UNIQUE INDEX after_me_now ON after_me (subject) WHERE ended_at IS NULL;
COMMENT ON TABLE after_me IS '身后安排: what a living person says of their information for the time after death';
COMMENT ON COLUMN after_me.subject IS 'who says so | identifier | personal';
COMMENT ON COLUMN after_me.id IS 'this choice | UUIDv7 | internal';
COMMENT ON COLUMN after_me.choice IS 'which of the choices in relatives.toml | code | internal';
COMMENT ON COLUMN after_me.level IS 'level of the session it was said in | level | internal';
COMMENT ON COLUMN after_me.text_digest IS 'digest of the words shown | sm3:… | internal';
COMMENT ON COLUMN after_me.made_at IS 'since when | UTC | internal';
COMMENT ON COLUMN after_me.ended_at IS 'when another choice took its place | UTC | internal';

-- somebody died: nobody signs in any more, what is kept waits for the relatives
ALTER TABLE account DROP CONSTRAINT account_status_check;
ALTER TABLE account ADD CONSTRAINT account_status_check CHECK (status IN ('open', 'restricted', 'closed', 'moved', 'stopped'));
COMMENT ON COLUMN account.status IS 'state of the account; stopped: the person died | open, restricted, closed, moved, stopped | internal';

-- a guardian asks for a child: who asked stands beside whose it is
ALTER TABLE copy_request ADD COLUMN guardian_subject text NOT NULL DEFAULT '';
COMMENT ON COLUMN copy_request.guardian_subject IS 'guardian who asked; empty when the person did | identifier | personal';
ALTER TABLE closing ADD COLUMN guardian_subject text NOT NULL DEFAULT '';
COMMENT ON COLUMN closing.guardian_subject IS 'guardian who asked; empty when the person did, or a desk | identifier | personal';
ALTER TABLE leaving ADD COLUMN guardian_subject text NOT NULL DEFAULT '';
COMMENT ON COLUMN leaving.guardian_subject IS 'guardian whose home says so, of a child without an account; empty for everybody else | identifier | personal';

-- what somebody pressed before a higher level was asked, so that it goes on by itself afterwards
CREATE TABLE step_intent (
    subject text NOT NULL,
    id uuid NOT NULL,
    sid text NOT NULL,
    path text NOT NULL,
    level smallint NOT NULL,
    fields bytea NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (subject, id)
);
COMMENT ON TABLE step_intent IS '核验前按下的一步: a form that was sent below its level, done once when the level is there (identity.md 4)';
COMMENT ON COLUMN step_intent.subject IS 'who pressed | identifier | personal';
COMMENT ON COLUMN step_intent.id IS 'word in the address the step-up leads back to | UUIDv4, random | internal';
COMMENT ON COLUMN step_intent.sid IS 'session that pressed, the only one that may go on | id | internal';
COMMENT ON COLUMN step_intent.path IS 'page it belongs to | path | internal';
COMMENT ON COLUMN step_intent.level IS 'level it asks for | level | internal';
COMMENT ON COLUMN step_intent.fields IS 'what the form said | sealed JSON | personal';
COMMENT ON COLUMN step_intent.until IS 'when it is forgotten | UTC | internal';

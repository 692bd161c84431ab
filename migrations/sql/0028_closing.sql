-- privacy 个人信息权益: closing an account, ending rows past their term, legal hold (privacy.md 4, 7; R-409, R-804).

CREATE TABLE closing (
    subject text NOT NULL,
    id uuid NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting','stopped')),
    asked_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    level smallint NOT NULL CHECK (level BETWEEN 3 AND 4),
    warned_at timestamptz,
    ended_at timestamptz,
    paper bytea,
    PRIMARY KEY (subject, id),
    UNIQUE (id)
);
CREATE UNIQUE INDEX closing_waits ON closing (subject) WHERE state = 'waiting';
CREATE INDEX closing_due ON closing (due_at) WHERE state = 'waiting';
COMMENT ON TABLE closing IS 'Closing 注销 asked for at the home, while the person may still change their mind (privacy.md 7)';
COMMENT ON COLUMN closing.subject IS 'whose account | identifier | personal';
COMMENT ON COLUMN closing.id IS 'number of this closing, the same at every node | UUIDv7 | internal';
COMMENT ON COLUMN closing.state IS 'where it stands | waiting, stopped | internal';
COMMENT ON COLUMN closing.asked_at IS 'when it was asked for | UTC | internal';
COMMENT ON COLUMN closing.due_at IS 'when the account is closed unless stopped | UTC | internal';
COMMENT ON COLUMN closing.level IS 'level of the session it was asked in | level | internal';
COMMENT ON COLUMN closing.warned_at IS 'when the person was told that the end is near | UTC | internal';
COMMENT ON COLUMN closing.ended_at IS 'when it was stopped | UTC | internal';
COMMENT ON COLUMN closing.paper IS 'address and code of the page of receipts, for printing again while it waits | sealed text | personal';

CREATE TABLE leaving (
    subject text NOT NULL,
    id uuid NOT NULL,
    origin text NOT NULL,
    state text NOT NULL DEFAULT 'heard' CHECK (state IN ('heard','ended')),
    proof bytea,
    number bytea,
    phone bytea,
    heard_at timestamptz NOT NULL,
    said_at timestamptz NOT NULL,
    ended_at timestamptz,
    tries integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    told_held boolean NOT NULL DEFAULT false,
    PRIMARY KEY (subject, id),
    UNIQUE (id)
);
CREATE INDEX leaving_next ON leaving (next_at);
COMMENT ON TABLE leaving IS 'Somebody whose account was closed and whose things at this node are still to be erased 待删除的人 (privacy.md 7)';
COMMENT ON COLUMN leaving.subject IS 'who left | identifier | personal';
COMMENT ON COLUMN leaving.id IS 'number of the closing | UUIDv7 | internal';
COMMENT ON COLUMN leaving.origin IS 'home that said so | node id | internal';
COMMENT ON COLUMN leaving.state IS 'heard: not proven yet; ended: sessions ended here, to be erased | code | internal';
COMMENT ON COLUMN leaving.proof IS 'statement of the register that the origin was the home | sealed JWS | personal';
COMMENT ON COLUMN leaving.number IS 'document number, at the hub only, whose index row goes | sealed text | personal sensitive';
COMMENT ON COLUMN leaving.phone IS 'phone, at the hub only, whose index row goes | sealed text, 11 digits | personal';
COMMENT ON COLUMN leaving.heard_at IS 'when this node heard of it | UTC | internal';
COMMENT ON COLUMN leaving.said_at IS 'when the home closed the account | UTC | internal';
COMMENT ON COLUMN leaving.ended_at IS 'when sessions and authenticators here were ended | UTC | internal';
COMMENT ON COLUMN leaving.tries IS 'how often it was tried | count | internal';
COMMENT ON COLUMN leaving.next_at IS 'when to try next | UTC | internal';
COMMENT ON COLUMN leaving.told_held IS 'whether the home was told of a legal hold that may be said | boolean | internal';

CREATE TABLE left_behind (
    id uuid NOT NULL,
    origin text NOT NULL,
    result text NOT NULL CHECK (result IN ('erased','refused')),
    done_at timestamptz NOT NULL,
    PRIMARY KEY (id)
);
COMMENT ON TABLE left_behind IS 'Closings that are done with at this node 已处理的注销: the same word a second time has no effect';
COMMENT ON COLUMN left_behind.id IS 'number of the closing | UUIDv7 | internal';
COMMENT ON COLUMN left_behind.origin IS 'home that said so | node id | internal';
COMMENT ON COLUMN left_behind.result IS 'what became of it | erased, refused | internal';
COMMENT ON COLUMN left_behind.done_at IS 'when | UTC | internal';

CREATE TABLE closing_page (
    id uuid NOT NULL,
    link_hash bytea NOT NULL,
    code_hash bytea NOT NULL,
    made_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    closed_at timestamptz,
    wrong smallint NOT NULL DEFAULT 0,
    wrong_at timestamptz,
    PRIMARY KEY (id),
    UNIQUE (link_hash)
);
COMMENT ON TABLE closing_page IS 'Page of receipts 注销回执页: found by a random address and a code; names nobody (privacy.md 7)';
COMMENT ON COLUMN closing_page.id IS 'number of the closing | UUIDv7 | internal';
COMMENT ON COLUMN closing_page.link_hash IS 'SM3 of the random part of the address | 32 bytes | secret';
COMMENT ON COLUMN closing_page.code_hash IS 'keyed hash of the code | 32 bytes | secret';
COMMENT ON COLUMN closing_page.made_at IS 'when the closing was asked for | UTC | internal';
COMMENT ON COLUMN closing_page.until IS 'until when the page can be seen | UTC | internal';
COMMENT ON COLUMN closing_page.closed_at IS 'when the account was closed; null while it waits | UTC | internal';
COMMENT ON COLUMN closing_page.wrong IS 'wrong codes in the running hour | count | internal';
COMMENT ON COLUMN closing_page.wrong_at IS 'when that hour began | UTC | internal';

CREATE TABLE closing_receipt (
    closing uuid NOT NULL,
    node text NOT NULL,
    state text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked','held','erased','refused')),
    counts jsonb NOT NULL DEFAULT '{}',
    stays jsonb NOT NULL DEFAULT '[]',
    held_until date,
    leaf text NOT NULL DEFAULT '',
    at timestamptz,
    PRIMARY KEY (closing, node)
);
COMMENT ON TABLE closing_receipt IS 'What each node answered to a closing 注销回执: counts by what the person calls it, and its leaf';
COMMENT ON COLUMN closing_receipt.closing IS 'number of the closing | UUIDv7 | internal';
COMMENT ON COLUMN closing_receipt.node IS 'node that was asked | node id | internal';
COMMENT ON COLUMN closing_receipt.state IS 'what it answered | asked, held, erased, refused | internal';
COMMENT ON COLUMN closing_receipt.counts IS 'rows erased by title of the holding | object of counts | internal';
COMMENT ON COLUMN closing_receipt.stays IS 'what the law keeps there, in sentences | list of text | internal';
COMMENT ON COLUMN closing_receipt.held_until IS 'end of a legal hold that may be said | day | internal';
COMMENT ON COLUMN closing_receipt.leaf IS 'commitment of the leaf in that node''s log | sm3:… | internal';
COMMENT ON COLUMN closing_receipt.at IS 'when it answered | UTC | internal';

CREATE TABLE legal_hold (
    subject text NOT NULL DEFAULT '',
    id uuid NOT NULL,
    case_number text NOT NULL DEFAULT '',
    basis bytea NOT NULL,
    reason bytea NOT NULL,
    until date NOT NULL,
    shown boolean NOT NULL,
    division text NOT NULL,
    proposed_by text NOT NULL,
    approved_by text NOT NULL,
    made_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by text,
    PRIMARY KEY (subject, id),
    UNIQUE (id),
    CHECK ((subject = '') <> (case_number = ''))
);
CREATE INDEX legal_hold_in_force ON legal_hold (subject, case_number) WHERE ended_at IS NULL;
COMMENT ON TABLE legal_hold IS 'Legal hold 法定保留: a person or a case whose rows no clock ends and no closing erases (privacy.md 4)';
COMMENT ON COLUMN legal_hold.subject IS 'person whose rows are held; empty when a case is | identifier | personal';
COMMENT ON COLUMN legal_hold.id IS 'number | UUIDv7 | internal';
COMMENT ON COLUMN legal_hold.case_number IS 'case whose rows are held; empty when a person is | number of the case | internal';
COMMENT ON COLUMN legal_hold.basis IS 'law and document it rests on | sealed text | personal';
COMMENT ON COLUMN legal_hold.reason IS 'why, in words of staff | sealed text | personal';
COMMENT ON COLUMN legal_hold.until IS 'last day | day in China | internal';
COMMENT ON COLUMN legal_hold.shown IS 'whether the person may know while it lasts | boolean | internal';
COMMENT ON COLUMN legal_hold.division IS 'area of the staff that hold | GB/T 2260 | internal';
COMMENT ON COLUMN legal_hold.proposed_by IS 'member of staff who asked | staff id | internal';
COMMENT ON COLUMN legal_hold.approved_by IS 'member of staff who agreed | staff id | internal';
COMMENT ON COLUMN legal_hold.made_at IS 'since when | UTC | internal';
COMMENT ON COLUMN legal_hold.ended_at IS 'when it ended | UTC | internal';
COMMENT ON COLUMN legal_hold.ended_by IS 'member of staff who ended it early; null when its day came | staff id | internal';

-- every room's statement that ends or erases rows may ask it; a room need not know this table
CREATE FUNCTION on_hold(person text, case_no text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT 1 FROM legal_hold WHERE ended_at IS NULL
        AND ((subject <> '' AND subject = person) OR (case_number <> '' AND case_number = case_no)))
$$;
COMMENT ON FUNCTION on_hold(text, text) IS 'Whether rows of this person or case are under legal hold 是否在法定保留中';

CREATE TABLE retention_day (
    id uuid NOT NULL,
    day date NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    counts jsonb NOT NULL DEFAULT '{}',
    held jsonb NOT NULL DEFAULT '{}',
    leftovers jsonb NOT NULL DEFAULT '{}',
    failed jsonb NOT NULL DEFAULT '{}',
    leaf text NOT NULL DEFAULT '',
    PRIMARY KEY (id),
    UNIQUE (day)
);
COMMENT ON TABLE retention_day IS 'Run of the retention clock 到期清理的一次: how many rows of which table went, what is left over (privacy.md 4)';
COMMENT ON COLUMN retention_day.id IS 'number | UUIDv7 | internal';
COMMENT ON COLUMN retention_day.day IS 'day it belongs to | day in China | internal';
COMMENT ON COLUMN retention_day.started_at IS 'when it began | UTC | internal';
COMMENT ON COLUMN retention_day.ended_at IS 'when it was through; null while it runs or was cut off | UTC | internal';
COMMENT ON COLUMN retention_day.counts IS 'rows ended by table | object of counts | internal';
COMMENT ON COLUMN retention_day.held IS 'rows past their time that a legal hold keeps, by table | object of counts | internal';
COMMENT ON COLUMN retention_day.leftovers IS 'rows two days past their time that are still there, by table | object of counts | internal';
COMMENT ON COLUMN retention_day.failed IS 'tables whose end failed, with the kind of failure | object of codes | internal';
COMMENT ON COLUMN retention_day.leaf IS 'commitment of its leaf | sm3:… | internal';

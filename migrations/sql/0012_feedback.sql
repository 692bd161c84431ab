-- feedback 好差评. The author is kept at the person's node only.

CREATE TABLE review_given (
    subject text NOT NULL,
    case_id uuid NOT NULL,
    service_no smallint NOT NULL,
    token_hash bytea NOT NULL,
    review_id uuid,
    level smallint CHECK (level BETWEEN 1 AND 5),
    issued_at timestamptz NOT NULL,
    given_at timestamptz,
    reply bytea,
    replied_at timestamptz,
    PRIMARY KEY (subject, case_id, service_no)
);
CREATE INDEX review_given_review ON review_given (review_id) WHERE review_id IS NOT NULL;
COMMENT ON TABLE review_given IS '我的评价: at the node of the person, one for each finished service';
COMMENT ON COLUMN review_given.subject IS 'who wrote it | subject | personal';
COMMENT ON COLUMN review_given.case_id IS 'case | UUIDv7 | internal';
COMMENT ON COLUMN review_given.service_no IS 'nth service of that case | 1, 2 … | internal';
COMMENT ON COLUMN review_given.token_hash IS 'hash of the one-time token of this service | 32 bytes SM3 | secret';
COMMENT ON COLUMN review_given.review_id IS 'review, when given | UUIDv7 | internal';
COMMENT ON COLUMN review_given.level IS 'level chosen | 1-5 | internal';
COMMENT ON COLUMN review_given.issued_at IS 'when the service could be rated | UTC | internal';
COMMENT ON COLUMN review_given.given_at IS 'when it was rated | UTC | internal';
COMMENT ON COLUMN review_given.reply IS 'answer of the unit | sealed UTF-8 | personal';
COMMENT ON COLUMN review_given.replied_at IS 'when the answer came | UTC | internal';

CREATE TABLE review (
    org text NOT NULL,
    id uuid NOT NULL,
    from_node text NOT NULL,
    service_key bytea NOT NULL,
    sealed_case bytea NOT NULL,
    task_code text NOT NULL,
    item_name text NOT NULL,
    division text NOT NULL,
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 5),
    indicators text[] NOT NULL,
    text bytea NOT NULL,
    call_me boolean NOT NULL,
    day date NOT NULL,
    settled_on date,
    PRIMARY KEY (org, id)
);
CREATE UNIQUE INDEX review_once ON review (org, service_key);
CREATE INDEX review_item ON review (task_code, day);
COMMENT ON TABLE review IS '评价: at the node of the unit, without author and without case';
COMMENT ON COLUMN review.org IS 'unit rated | 统一社会信用代码 | internal';
COMMENT ON COLUMN review.id IS 'review | random UUID, no time in it | internal';
COMMENT ON COLUMN review.from_node IS 'node it came from | node id | internal';
COMMENT ON COLUMN review.service_key IS 'blind key of case and service number, once only | 16 bytes | secret';
COMMENT ON COLUMN review.sealed_case IS 'case, for the settling clock alone; emptied by it | sealed | personal';
COMMENT ON COLUMN review.task_code IS 'item | 31 characters | internal';
COMMENT ON COLUMN review.item_name IS 'item in words | text | internal';
COMMENT ON COLUMN review.division IS 'area of the unit | GB/T 2260 | internal';
COMMENT ON COLUMN review.level IS 'level | 1-5 | internal';
COMMENT ON COLUMN review.indicators IS 'what was ticked | codes of indicators.toml | internal';
COMMENT ON COLUMN review.text IS 'what was written | sealed UTF-8 | personal';
COMMENT ON COLUMN review.call_me IS 'wants to be called | boolean | internal';
COMMENT ON COLUMN review.day IS 'day it was given, China time; nothing finer is kept | date | internal';
COMMENT ON COLUMN review.settled_on IS 'day the case was marked as reviewed | date | internal';

CREATE TABLE review_handling (
    org text NOT NULL,
    review_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'checked', 'fixed', 'answered')),
    contact_by date NOT NULL,
    fix_by date NOT NULL,
    cause text NOT NULL DEFAULT '',
    fix text NOT NULL DEFAULT '',
    reply text NOT NULL DEFAULT '',
    handled_by text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (org, review_id)
);
CREATE INDEX review_handling_queue ON review_handling (org, state, contact_by);
COMMENT ON TABLE review_handling IS '差评处置: what a unit did about a bad review';
COMMENT ON COLUMN review_handling.org IS 'unit | 统一社会信用代码 | internal';
COMMENT ON COLUMN review_handling.review_id IS 'review | UUID | internal';
COMMENT ON COLUMN review_handling.state IS 'how far | word | internal';
COMMENT ON COLUMN review_handling.contact_by IS 'last day to look into it | date | internal';
COMMENT ON COLUMN review_handling.fix_by IS 'last day to mend it | date | internal';
COMMENT ON COLUMN review_handling.cause IS 'what went wrong | text | internal';
COMMENT ON COLUMN review_handling.fix IS 'what was mended | text | internal';
COMMENT ON COLUMN review_handling.reply IS 'answer to the person | text | internal';
COMMENT ON COLUMN review_handling.handled_by IS 'who handles it | staff id | internal';
COMMENT ON COLUMN review_handling.updated_at IS 'last step | UTC | internal';

CREATE TABLE review_handling_history (
    org text NOT NULL,
    review_id uuid NOT NULL,
    seq integer NOT NULL,
    at timestamptz NOT NULL,
    name text NOT NULL,
    by text NOT NULL,
    text text NOT NULL DEFAULT '',
    leaf text NOT NULL,
    PRIMARY KEY (org, review_id, seq)
);
COMMENT ON TABLE review_handling_history IS '差评处置经过: every step, append-only';
COMMENT ON COLUMN review_handling_history.org IS 'unit | 统一社会信用代码 | internal';
COMMENT ON COLUMN review_handling_history.review_id IS 'review | UUID | internal';
COMMENT ON COLUMN review_handling_history.seq IS 'number of the step | 1, 2 … | internal';
COMMENT ON COLUMN review_handling_history.at IS 'when | UTC | internal';
COMMENT ON COLUMN review_handling_history.name IS 'step | opened, checked, fixed, answered | internal';
COMMENT ON COLUMN review_handling_history.by IS 'who | staff id or system | internal';
COMMENT ON COLUMN review_handling_history.text IS 'what was written | text | internal';
COMMENT ON COLUMN review_handling_history.leaf IS 'log leaf | leaf id | internal';

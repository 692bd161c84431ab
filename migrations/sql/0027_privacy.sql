-- privacy 个人信息权益: copies 副本 that persons ask for, gathered from every node, kept sealed and not for long (R-409, privacy.md 7).

CREATE TABLE copy_request (
    subject text NOT NULL,
    id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('gathering', 'ready', 'fetched', 'expired', 'stopped', 'failed')),
    whole boolean NOT NULL,
    again_of uuid,
    asked_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    made_at timestamptz,
    ends_at timestamptz,
    byte_count bigint NOT NULL DEFAULT 0,
    rows_told integer NOT NULL DEFAULT 0,
    files_told integer NOT NULL DEFAULT 0,
    left_out integer NOT NULL DEFAULT 0,
    word bytea,
    word_shown_at timestamptz,
    starts integer NOT NULL DEFAULT 0,
    fetched_at timestamptz,
    leaf uuid,
    PRIMARY KEY (subject, id)
);
CREATE INDEX copy_request_due ON copy_request (next_at) WHERE state = 'gathering';
CREATE INDEX copy_request_ends ON copy_request (ends_at) WHERE state = 'ready';
COMMENT ON TABLE copy_request IS '信息副本: a copy of everything that a person asked for at home, and how far it is';
COMMENT ON COLUMN copy_request.subject IS 'who asked, and whom it is about | pseudonym | personal';
COMMENT ON COLUMN copy_request.id IS 'this copy, the same at every node that is asked | UUIDv7 | internal';
COMMENT ON COLUMN copy_request.state IS 'how far it is; the file lies here while ready | code | internal';
COMMENT ON COLUMN copy_request.whole IS 'with numbers of documents, files and other sensitive parts, for level 3 | boolean | internal';
COMMENT ON COLUMN copy_request.again_of IS 'the copy whose missing nodes this one fetches | UUIDv7 | internal';
COMMENT ON COLUMN copy_request.asked_at IS 'when it was asked | UTC | internal';
COMMENT ON COLUMN copy_request.next_at IS 'when the next step may be taken; in the future while somebody takes one | UTC | internal';
COMMENT ON COLUMN copy_request.tries IS 'steps in a row that broke off | count | internal';
COMMENT ON COLUMN copy_request.made_at IS 'when the file was made | UTC | internal';
COMMENT ON COLUMN copy_request.ends_at IS 'when the file is removed, fetched or not | UTC | internal';
COMMENT ON COLUMN copy_request.byte_count IS 'size of the file | bytes | internal';
COMMENT ON COLUMN copy_request.rows_told IS 'entries in it | count | internal';
COMMENT ON COLUMN copy_request.files_told IS 'files in it | count | internal';
COMMENT ON COLUMN copy_request.left_out IS 'kinds of things and files that could not be read | count | internal';
COMMENT ON COLUMN copy_request.word IS 'the word that opens the file, until it has been shown | sealed text | secret';
COMMENT ON COLUMN copy_request.word_shown_at IS 'when the word was shown, once | UTC | internal';
COMMENT ON COLUMN copy_request.starts IS 'downloads that were begun | count | internal';
COMMENT ON COLUMN copy_request.fetched_at IS 'when a download came to its end and the file was removed | UTC | internal';
COMMENT ON COLUMN copy_request.leaf IS 'leaf of the making in the log | UUIDv7 | internal';

CREATE TABLE copy_part (
    subject text NOT NULL,
    request uuid NOT NULL,
    node text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'preparing', 'here', 'missing')),
    line uuid NOT NULL,
    line_at timestamptz NOT NULL,
    byte_count bigint NOT NULL DEFAULT 0,
    answered_at timestamptz,
    PRIMARY KEY (subject, request, node)
);
COMMENT ON TABLE copy_part IS '副本的各处: what each node is asked for a copy, and whether it has answered';
COMMENT ON COLUMN copy_part.subject IS 'whom it is about | pseudonym | personal';
COMMENT ON COLUMN copy_part.request IS 'which copy | UUIDv7 | internal';
COMMENT ON COLUMN copy_part.node IS 'who is asked | node id | internal';
COMMENT ON COLUMN copy_part.state IS 'waiting for an answer, preparing there, here, missing in the copy that was made | code | internal';
COMMENT ON COLUMN copy_part.line IS 'ledger line at both ends | UUIDv7 | internal';
COMMENT ON COLUMN copy_part.line_at IS 'time of that line | UTC | internal';
COMMENT ON COLUMN copy_part.byte_count IS 'how much there is there | bytes | internal';
COMMENT ON COLUMN copy_part.answered_at IS 'when it answered for the first time | UTC | internal';

CREATE TABLE copy_share (
    subject text NOT NULL,
    request uuid NOT NULL,
    home text NOT NULL,
    whole boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('preparing', 'ready')),
    asked_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    byte_count bigint NOT NULL DEFAULT 0,
    ends_at timestamptz NOT NULL,
    PRIMARY KEY (subject, request)
);
CREATE INDEX copy_share_due ON copy_share (next_at) WHERE state = 'preparing';
CREATE INDEX copy_share_ends ON copy_share (ends_at);
COMMENT ON TABLE copy_share IS '给副本的一份: what this node gives to a copy that a person asked for at home, until it has been fetched';
COMMENT ON COLUMN copy_share.subject IS 'whom it is about | pseudonym | personal';
COMMENT ON COLUMN copy_share.request IS 'which copy of the home | UUIDv7 | internal';
COMMENT ON COLUMN copy_share.home IS 'the node that asks, shown to be the home | node id | internal';
COMMENT ON COLUMN copy_share.whole IS 'with sensitive parts | boolean | internal';
COMMENT ON COLUMN copy_share.state IS 'being made, or ready to be fetched | code | internal';
COMMENT ON COLUMN copy_share.asked_at IS 'when the home asked | UTC | internal';
COMMENT ON COLUMN copy_share.next_at IS 'when the next try may be made; in the future while somebody makes one | UTC | internal';
COMMENT ON COLUMN copy_share.tries IS 'tries that broke off | count | internal';
COMMENT ON COLUMN copy_share.byte_count IS 'size | bytes | internal';
COMMENT ON COLUMN copy_share.ends_at IS 'when it is removed, fetched or not | UTC | internal';

CREATE TABLE copy_chunk (
    subject text NOT NULL,
    id uuid NOT NULL,
    request uuid NOT NULL,
    of text NOT NULL,
    number integer NOT NULL,
    byte_count integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (subject, id)
);
CREATE UNIQUE INDEX copy_chunk_order ON copy_chunk (request, of, number);
COMMENT ON TABLE copy_chunk IS '副本的内容: pieces of what was gathered and of the finished file, sealed; gone once the file is fetched or its time is over';
COMMENT ON COLUMN copy_chunk.subject IS 'whom it is about | pseudonym | personal';
COMMENT ON COLUMN copy_chunk.id IS 'this piece | UUIDv7 | internal';
COMMENT ON COLUMN copy_chunk.request IS 'which copy | UUIDv7 | internal';
COMMENT ON COLUMN copy_chunk.of IS 'node id: what it gave or gives; empty: the finished file | code | internal';
COMMENT ON COLUMN copy_chunk.number IS 'place in the row of pieces | count from 0 | internal';
COMMENT ON COLUMN copy_chunk.byte_count IS 'size of the piece before sealing | bytes | internal';
COMMENT ON COLUMN copy_chunk.content IS 'the piece | sealed bytes | personal sensitive';

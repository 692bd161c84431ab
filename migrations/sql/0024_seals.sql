-- ==== seals 电子印章: application, review, custody, use by two, status of all nodes, PDF makers ======================

ALTER TABLE seal DROP CONSTRAINT seal_state_check;
ALTER TABLE seal ADD CONSTRAINT seal_state_check CHECK (state IN ('active', 'suspended', 'revoked'));
-- a suspended seal still is the one live seal of its kind and name
CREATE UNIQUE INDEX seal_standing ON seal (org_code, kind, name) WHERE state IN ('active', 'suspended');
ALTER TABLE seal ADD COLUMN purpose text NOT NULL DEFAULT '';
ALTER TABLE seal ADD COLUMN basis text NOT NULL DEFAULT '';
ALTER TABLE seal ADD COLUMN two_persons boolean NOT NULL DEFAULT false;
ALTER TABLE seal ADD COLUMN application uuid;
ALTER TABLE seal ADD COLUMN keeper text NOT NULL DEFAULT '';
ALTER TABLE seal ADD COLUMN suspended_at timestamptz;
ALTER TABLE seal ADD COLUMN suspended_by text NOT NULL DEFAULT '';
ALTER TABLE seal ADD COLUMN end_kind text NOT NULL DEFAULT '';
ALTER TABLE seal ADD COLUMN pdf_certificate bytea;
CREATE UNIQUE INDEX seal_application_once ON seal (application) WHERE application IS NOT NULL;
COMMENT ON COLUMN seal.purpose IS 'what it is for, as applied | text | internal';
COMMENT ON COLUMN seal.basis IS 'legal or internal ground, as applied | text | internal';
COMMENT ON COLUMN seal.two_persons IS 'whether every use needs a second person | true or false | internal';
COMMENT ON COLUMN seal.application IS 'application it was made for, null for one made by the system | UUIDv7 | internal';
COMMENT ON COLUMN seal.keeper IS 'who keeps it now, empty when the system alone uses it | staff number | internal';
COMMENT ON COLUMN seal.suspended_at IS 'suspended since | UTC | public';
COMMENT ON COLUMN seal.suspended_by IS 'who suspended it | staff number | internal';
COMMENT ON COLUMN seal.end_kind IS 'why it ended: revoked, lost, expired, empty while it has not | word | public';
COMMENT ON COLUMN seal.pdf_certificate IS 'certificate of its P-256 key for PDF, made at the first use | X.509 DER | public';

CREATE TABLE seal_application (
    org_code text NOT NULL,
    id uuid NOT NULL,
    org_name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('official', 'approval')),
    name text NOT NULL,
    purpose text NOT NULL,
    basis text NOT NULL,
    two_persons boolean NOT NULL,
    keeper text NOT NULL,
    digest text NOT NULL,
    state text NOT NULL CHECK (state IN ('applied', 'approved', 'refused', 'made')),
    applied_by text NOT NULL,
    applied_at timestamptz NOT NULL,
    reviewed_by text NOT NULL DEFAULT '',
    reviewed_at timestamptz,
    refusal text NOT NULL DEFAULT '',
    made_by text NOT NULL DEFAULT '',
    seal_id uuid,
    PRIMARY KEY (org_code, id),
    CHECK (reviewed_by = '' OR reviewed_by <> applied_by)
);
CREATE INDEX seal_application_id ON seal_application (id);
CREATE UNIQUE INDEX seal_application_open ON seal_application (org_code, kind, name) WHERE state IN ('applied', 'approved');
COMMENT ON TABLE seal_application IS 'Applications for a seal 印章申请: one applies, another reviews what was applied for';
COMMENT ON COLUMN seal_application.org_code IS 'department that is to own it | 统一社会信用代码 | internal';
COMMENT ON COLUMN seal_application.id IS 'application | UUIDv7 | internal';
COMMENT ON COLUMN seal_application.org_name IS 'department name, to be cut into the seal | text | public';
COMMENT ON COLUMN seal_application.kind IS 'official 公章 or approval 审批专用章 | word | internal';
COMMENT ON COLUMN seal_application.name IS 'what the seal is to say | text | public';
COMMENT ON COLUMN seal_application.purpose IS 'what it is for | text | internal';
COMMENT ON COLUMN seal_application.basis IS 'legal or internal ground | text | internal';
COMMENT ON COLUMN seal_application.two_persons IS 'whether every use is to need a second person | true or false | internal';
COMMENT ON COLUMN seal_application.keeper IS 'who is to keep it | staff number | internal';
COMMENT ON COLUMN seal_application.digest IS 'digest of all that is applied for, pinned for the reviewer | sm3:base64url | internal';
COMMENT ON COLUMN seal_application.state IS 'applied, approved, refused, made | word | internal';
COMMENT ON COLUMN seal_application.applied_by IS 'who applied | staff number | internal';
COMMENT ON COLUMN seal_application.applied_at IS 'when | UTC | internal';
COMMENT ON COLUMN seal_application.reviewed_by IS 'who reviewed, another one | staff number | internal';
COMMENT ON COLUMN seal_application.reviewed_at IS 'when reviewed | UTC | internal';
COMMENT ON COLUMN seal_application.refusal IS 'why refused | text | internal';
COMMENT ON COLUMN seal_application.made_by IS 'who had it made | staff number | internal';
COMMENT ON COLUMN seal_application.seal_id IS 'the seal that was made | UUIDv7 | internal';

CREATE TABLE seal_custody (
    seal_id uuid NOT NULL,
    id uuid NOT NULL,
    giver text NOT NULL,
    keeper text NOT NULL,
    keeper_unit text NOT NULL,
    reason text NOT NULL,
    between_units boolean NOT NULL,
    digest text NOT NULL,
    state text NOT NULL CHECK (state IN ('to_review', 'offered', 'held', 'ended', 'declined')),
    offered_at timestamptz NOT NULL,
    reviewed_by text NOT NULL DEFAULT '',
    reviewed_at timestamptz,
    accepted_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (seal_id, id),
    CHECK (giver <> keeper),
    CHECK (reviewed_by = '' OR (reviewed_by <> giver AND reviewed_by <> keeper)),
    CHECK (NOT between_units OR state NOT IN ('offered', 'held') OR reviewed_by <> '')
);
-- one keeper at a time, and one hand-over under way
CREATE UNIQUE INDEX seal_custody_held ON seal_custody (seal_id) WHERE state = 'held';
CREATE UNIQUE INDEX seal_custody_open ON seal_custody (seal_id) WHERE state IN ('to_review', 'offered');
COMMENT ON TABLE seal_custody IS 'Who keeps a seal 印章保管: each hand-over is offered by one and accepted by the other';
COMMENT ON COLUMN seal_custody.seal_id IS 'seal | UUIDv7 | internal';
COMMENT ON COLUMN seal_custody.id IS 'hand-over | UUIDv7 | internal';
COMMENT ON COLUMN seal_custody.giver IS 'who hands over | staff number | internal';
COMMENT ON COLUMN seal_custody.keeper IS 'who receives | staff number | internal';
COMMENT ON COLUMN seal_custody.keeper_unit IS 'unit of the receiver | text | internal';
COMMENT ON COLUMN seal_custody.reason IS 'why | text | internal';
COMMENT ON COLUMN seal_custody.between_units IS 'a transfer 移交 to another unit, which a third one reviews | true or false | internal';
COMMENT ON COLUMN seal_custody.digest IS 'digest of the hand-over as offered, accepted as such | sm3:base64url | internal';
COMMENT ON COLUMN seal_custody.state IS 'to_review, offered, held, ended, declined | word | internal';
COMMENT ON COLUMN seal_custody.offered_at IS 'offered | UTC | internal';
COMMENT ON COLUMN seal_custody.reviewed_by IS 'who agreed to a transfer between units | staff number | internal';
COMMENT ON COLUMN seal_custody.reviewed_at IS 'when agreed | UTC | internal';
COMMENT ON COLUMN seal_custody.accepted_at IS 'accepted | UTC | internal';
COMMENT ON COLUMN seal_custody.ended_at IS 'ended or declined | UTC | internal';

CREATE TABLE seal_act (
    seal_id uuid NOT NULL,
    id uuid NOT NULL,
    act text NOT NULL,
    officer text NOT NULL,
    words text NOT NULL,
    at timestamptz NOT NULL,
    leaf text NOT NULL,
    PRIMARY KEY (seal_id, id)
);
CREATE INDEX seal_act_at ON seal_act (at DESC);
COMMENT ON TABLE seal_act IS 'What happened to a seal or its application 印章经过; append only';
COMMENT ON COLUMN seal_act.seal_id IS 'seal, or its application before it was made | UUIDv7 | internal';
COMMENT ON COLUMN seal_act.id IS 'act | UUIDv7 | internal';
COMMENT ON COLUMN seal_act.act IS 'applied, approved, refused, made, offered, agreed, accepted, declined, suspended, resumed, lost, revoked, expired | word | internal';
COMMENT ON COLUMN seal_act.officer IS 'who did it | staff number, or system | internal';
COMMENT ON COLUMN seal_act.words IS 'reason or note, no person in it | text | internal';
COMMENT ON COLUMN seal_act.at IS 'when | UTC | internal';
COMMENT ON COLUMN seal_act.leaf IS 'log leaf | leaf id | internal';

CREATE TABLE seal_request (
    seal_id uuid NOT NULL,
    id uuid NOT NULL,
    format text NOT NULL CHECK (format IN ('ofd', 'pdf')),
    title text NOT NULL,
    purpose text NOT NULL,
    about text NOT NULL,
    document bytea NOT NULL,
    digest text NOT NULL,
    page integer NOT NULL,
    x real NOT NULL,
    y real NOT NULL,
    state text NOT NULL CHECK (state IN ('asked', 'sealed', 'refused')),
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL,
    second text NOT NULL DEFAULT '',
    decided_at timestamptz,
    refusal text NOT NULL DEFAULT '',
    sealed bytea,
    sealed_digest text NOT NULL DEFAULT '',
    PRIMARY KEY (seal_id, id),
    CHECK (second = '' OR second <> asked_by)
);
CREATE INDEX seal_request_open ON seal_request (state, asked_at);
COMMENT ON TABLE seal_request IS 'Documents somebody asks to seal 用印申请: the digest is pinned, a second person decides on it';
COMMENT ON COLUMN seal_request.seal_id IS 'seal | UUIDv7 | internal';
COMMENT ON COLUMN seal_request.id IS 'request | UUIDv7 | internal';
COMMENT ON COLUMN seal_request.format IS 'ofd or pdf | word | internal';
COMMENT ON COLUMN seal_request.title IS 'what the document is, no person in it | text | internal';
COMMENT ON COLUMN seal_request.purpose IS 'what for | text | internal';
COMMENT ON COLUMN seal_request.about IS 'opaque key of the matter | text | internal';
COMMENT ON COLUMN seal_request.document IS 'the document before sealing | sealed bytes | personal';
COMMENT ON COLUMN seal_request.digest IS 'digest of the document | sm3:base64url | internal';
COMMENT ON COLUMN seal_request.page IS 'page of the seal | number from 0 | internal';
COMMENT ON COLUMN seal_request.x IS 'left of the seal | millimetres | internal';
COMMENT ON COLUMN seal_request.y IS 'top of the seal | millimetres | internal';
COMMENT ON COLUMN seal_request.state IS 'asked, sealed, refused | word | internal';
COMMENT ON COLUMN seal_request.asked_by IS 'who asked | staff number | internal';
COMMENT ON COLUMN seal_request.asked_at IS 'when | UTC | internal';
COMMENT ON COLUMN seal_request.second IS 'who decided on it, another one where the seal asks for two | staff number | internal';
COMMENT ON COLUMN seal_request.decided_at IS 'when decided | UTC | internal';
COMMENT ON COLUMN seal_request.refusal IS 'why refused | text | internal';
COMMENT ON COLUMN seal_request.sealed IS 'the document with the seal | sealed bytes | personal';
COMMENT ON COLUMN seal_request.sealed_digest IS 'digest of the sealed document | sm3:base64url | internal';

ALTER TABLE seal_use ADD COLUMN format text NOT NULL DEFAULT 'ofd';
ALTER TABLE seal_use ADD COLUMN second text NOT NULL DEFAULT '';
ALTER TABLE seal_use ADD COLUMN sealed_digest text NOT NULL DEFAULT '';
ALTER TABLE seal_use ADD COLUMN request uuid;
CREATE UNIQUE INDEX seal_use_request ON seal_use (seal_id, request) WHERE request IS NOT NULL;
CREATE INDEX seal_use_digest ON seal_use (sealed_digest) WHERE sealed_digest <> '';
COMMENT ON COLUMN seal_use.format IS 'ofd or pdf | word | internal';
COMMENT ON COLUMN seal_use.second IS 'second person, empty when none was asked for | staff number | internal';
COMMENT ON COLUMN seal_use.sealed_digest IS 'document after sealing | sm3:base64url | internal';
COMMENT ON COLUMN seal_use.request IS 'request it answers; one use a request | UUIDv7 | internal';

CREATE TABLE seal_status (
    node text NOT NULL,
    es_id text NOT NULL,
    begins timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('suspended', 'revoked', 'lost', 'expired')),
    ends timestamptz,
    PRIMARY KEY (node, es_id, begins, state)
);
COMMENT ON TABLE seal_status IS 'From when to when a seal of any node could not be used 印章状态表, told by letter';
COMMENT ON COLUMN seal_status.node IS 'node of the seal | node id | public';
COMMENT ON COLUMN seal_status.es_id IS 'esID | text | public';
COMMENT ON COLUMN seal_status.begins IS 'not usable from | UTC | public';
COMMENT ON COLUMN seal_status.state IS 'suspended, revoked, lost, expired | word | public';
COMMENT ON COLUMN seal_status.ends IS 'usable again from, null for ever | UTC | public';

CREATE TABLE seal_pdf_anchor (
    node text NOT NULL,
    fingerprint text NOT NULL,
    certificate bytea NOT NULL,
    not_after timestamptz NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (node, fingerprint)
);
COMMENT ON TABLE seal_pdf_anchor IS 'P-256 roots of all nodes for seals on PDF and for time stamps, told by letter 版式 PDF 制章根';
COMMENT ON COLUMN seal_pdf_anchor.node IS 'node that vouches for it | node id | public';
COMMENT ON COLUMN seal_pdf_anchor.fingerprint IS 'SM3 of the certificate | sm3:base64url | public';
COMMENT ON COLUMN seal_pdf_anchor.certificate IS 'root certificate | X.509 DER | public';
COMMENT ON COLUMN seal_pdf_anchor.not_after IS 'end of validity | UTC | public';
COMMENT ON COLUMN seal_pdf_anchor.told_at IS 'time of the letter | UTC | internal';

-- credentials 电子证照. Issuer's register, status lists, wallets, presentations, verifiers, hall prints.

CREATE TABLE credential (
    subject text NOT NULL,
    id uuid NOT NULL,
    identifier text NOT NULL,
    type_code text NOT NULL,
    type_version integer NOT NULL,
    org_code text NOT NULL,
    org_name text NOT NULL,
    holder_kind text NOT NULL CHECK (holder_kind IN ('natural', 'legal')),
    holder_name bytea NOT NULL,
    number text NOT NULL,
    data bytea NOT NULL,
    data_kid text NOT NULL,
    data_signature bytea NOT NULL,
    digest text NOT NULL,
    ofd bytea NOT NULL,
    ofd_digest text NOT NULL,
    issued_at timestamptz NOT NULL,
    valid_from date NOT NULL,
    valid_until date,
    list_no integer NOT NULL,
    list_index integer NOT NULL,
    state text NOT NULL,
    state_at timestamptz NOT NULL,
    case_id text NOT NULL DEFAULT '',
    previous uuid,
    home text NOT NULL,
    leaf text NOT NULL,
    PRIMARY KEY (subject, id)
);
CREATE INDEX credential_id ON credential (id);
CREATE INDEX credential_of_org ON credential (org_code, type_code, issued_at);
CREATE UNIQUE INDEX credential_identifier ON credential (subject, identifier);
COMMENT ON TABLE credential IS 'Credentials issued by this node 颁发的电子证照';
COMMENT ON COLUMN credential.subject IS 'wallet owner | subject, identity.md 1 | personal';
COMMENT ON COLUMN credential.id IS 'credential | UUIDv7 | internal';
COMMENT ON COLUMN credential.identifier IS '电子证照标识, never holds an ID number | GB/T 36904 | internal';
COMMENT ON COLUMN credential.type_code IS '证照类型代码 | 21 characters | public';
COMMENT ON COLUMN credential.type_version IS 'version of the type template | integer | public';
COMMENT ON COLUMN credential.org_code IS '颁发机构 | 统一社会信用代码 | public';
COMMENT ON COLUMN credential.org_name IS '颁发机构 | text | public';
COMMENT ON COLUMN credential.holder_kind IS 'natural or legal | word | internal';
COMMENT ON COLUMN credential.holder_name IS '持证主体 | sealed text | personal';
COMMENT ON COLUMN credential.number IS '证照编号, never an ID number | text | internal';
COMMENT ON COLUMN credential.data IS 'fields of the credential | sealed JSON object | personal sensitive';
COMMENT ON COLUMN credential.data_kid IS 'key that signed the data | kid | internal';
COMMENT ON COLUMN credential.data_signature IS 'SM2 over the canonical record | 64 bytes, r then s | internal';
COMMENT ON COLUMN credential.digest IS 'canonical record | sm3:base64url | internal';
COMMENT ON COLUMN credential.ofd IS 'sealed OFD document | sealed bytes | personal sensitive';
COMMENT ON COLUMN credential.ofd_digest IS 'OFD bytes | sm3:base64url | internal';
COMMENT ON COLUMN credential.issued_at IS '颁发 | UTC | internal';
COMMENT ON COLUMN credential.valid_from IS '有效期起 | day in China | internal';
COMMENT ON COLUMN credential.valid_until IS '有效期止, NULL for long-term | day in China | internal';
COMMENT ON COLUMN credential.list_no IS 'status list | number | internal';
COMMENT ON COLUMN credential.list_index IS 'random place in the status list | 0 to 65535 | internal';
COMMENT ON COLUMN credential.state IS 'valid, suspended, revoked … | word | internal';
COMMENT ON COLUMN credential.state_at IS 'state since | UTC | internal';
COMMENT ON COLUMN credential.case_id IS 'case that led to it | case id | internal';
COMMENT ON COLUMN credential.previous IS '关联证照: the one it replaces | UUIDv7 | internal';
COMMENT ON COLUMN credential.home IS 'home node of the wallet | node id | internal';
COMMENT ON COLUMN credential.leaf IS 'log leaf of the issue | leaf id | internal';

CREATE TABLE credential_event (
    subject text NOT NULL,
    credential uuid NOT NULL,
    id uuid NOT NULL,
    operation text NOT NULL,
    state text NOT NULL,
    officer text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    leaf text NOT NULL,
    PRIMARY KEY (subject, credential, id)
);
COMMENT ON TABLE credential_event IS 'What was done to a credential 证照操作记录; append only';
COMMENT ON COLUMN credential_event.subject IS 'wallet owner | subject | personal';
COMMENT ON COLUMN credential_event.credential IS 'credential | UUIDv7 | internal';
COMMENT ON COLUMN credential_event.id IS 'event | UUIDv7 | internal';
COMMENT ON COLUMN credential_event.operation IS 'issue, suspend, resume, revoke, cancel, renew | word | internal';
COMMENT ON COLUMN credential_event.state IS 'state after it | word | internal';
COMMENT ON COLUMN credential_event.officer IS 'who did it | staff id or system | internal';
COMMENT ON COLUMN credential_event.reason IS 'ground | text | internal';
COMMENT ON COLUMN credential_event.at IS 'when | UTC | internal';
COMMENT ON COLUMN credential_event.leaf IS 'log leaf | leaf id | internal';

CREATE TABLE credential_place (
    list_no integer NOT NULL,
    list_index integer NOT NULL,
    PRIMARY KEY (list_no, list_index)
);
COMMENT ON TABLE credential_place IS 'Places taken in this node''s status lists 状态清单位置';
COMMENT ON COLUMN credential_place.list_no IS 'status list | number | internal';
COMMENT ON COLUMN credential_place.list_index IS 'place | 0 to 65535 | internal';

CREATE TABLE credential_list (
    issuer text NOT NULL,
    list_no integer NOT NULL,
    at timestamptz NOT NULL,
    bits bytea NOT NULL,
    kid text NOT NULL,
    signature bytea NOT NULL,
    PRIMARY KEY (issuer, list_no)
);
COMMENT ON TABLE credential_list IS 'Newest status list of every issuer, this node''s own too 状态清单';
COMMENT ON COLUMN credential_list.issuer IS 'node that signed it | node id | public';
COMMENT ON COLUMN credential_list.list_no IS 'list | number | public';
COMMENT ON COLUMN credential_list.at IS 'signed at | UTC | public';
COMMENT ON COLUMN credential_list.bits IS 'four bits a credential, zlib | bytes | public';
COMMENT ON COLUMN credential_list.kid IS 'signing key | kid | public';
COMMENT ON COLUMN credential_list.signature IS 'SM2 over the canonical list | 64 bytes, r then s | public';

CREATE TABLE credential_card (
    subject text NOT NULL,
    id uuid NOT NULL,
    identifier text NOT NULL,
    type_code text NOT NULL,
    type_version integer NOT NULL,
    issuer text NOT NULL,
    org_code text NOT NULL,
    org_name text NOT NULL,
    holder_kind text NOT NULL CHECK (holder_kind IN ('natural', 'legal')),
    holder_name bytea NOT NULL,
    number text NOT NULL,
    data bytea NOT NULL,
    data_kid text NOT NULL,
    data_signature bytea NOT NULL,
    digest text NOT NULL,
    ofd bytea NOT NULL,
    ofd_digest text NOT NULL,
    issued_at timestamptz NOT NULL,
    valid_from date NOT NULL,
    valid_until date,
    list_no integer NOT NULL,
    list_index integer NOT NULL,
    case_id text NOT NULL DEFAULT '',
    leaf text NOT NULL,
    replaced_by uuid,
    received_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (subject, id)
);
CREATE INDEX credential_card_id ON credential_card (id);
COMMENT ON TABLE credential_card IS 'Cards in the wallets kept by this home node 证照卡包';
COMMENT ON COLUMN credential_card.subject IS 'wallet owner | subject | personal';
COMMENT ON COLUMN credential_card.id IS 'credential | UUIDv7 of its issuer | internal';
COMMENT ON COLUMN credential_card.identifier IS '电子证照标识 | GB/T 36904 | internal';
COMMENT ON COLUMN credential_card.type_code IS '证照类型代码 | 21 characters | public';
COMMENT ON COLUMN credential_card.type_version IS 'version of the type template | integer | public';
COMMENT ON COLUMN credential_card.issuer IS 'issuing node | node id | public';
COMMENT ON COLUMN credential_card.org_code IS '颁发机构 | 统一社会信用代码 | public';
COMMENT ON COLUMN credential_card.org_name IS '颁发机构 | text | public';
COMMENT ON COLUMN credential_card.holder_kind IS 'natural or legal | word | internal';
COMMENT ON COLUMN credential_card.holder_name IS '持证主体 | sealed text | personal';
COMMENT ON COLUMN credential_card.number IS '证照编号 | text | internal';
COMMENT ON COLUMN credential_card.data IS 'fields of the credential | sealed JSON object | personal sensitive';
COMMENT ON COLUMN credential_card.data_kid IS 'issuer key over the record | kid | internal';
COMMENT ON COLUMN credential_card.data_signature IS 'issuer signature over the record | 64 bytes, r then s | internal';
COMMENT ON COLUMN credential_card.digest IS 'canonical record | sm3:base64url | internal';
COMMENT ON COLUMN credential_card.ofd IS 'sealed OFD document | sealed bytes | personal sensitive';
COMMENT ON COLUMN credential_card.ofd_digest IS 'OFD bytes | sm3:base64url | internal';
COMMENT ON COLUMN credential_card.issued_at IS '颁发 | UTC | internal';
COMMENT ON COLUMN credential_card.valid_from IS '有效期起 | day in China | internal';
COMMENT ON COLUMN credential_card.valid_until IS '有效期止, NULL for long-term | day in China | internal';
COMMENT ON COLUMN credential_card.list_no IS 'status list of the issuer | number | internal';
COMMENT ON COLUMN credential_card.list_index IS 'place in it | 0 to 65535 | internal';
COMMENT ON COLUMN credential_card.case_id IS 'case that led to it | case id | internal';
COMMENT ON COLUMN credential_card.leaf IS 'leaf in the issuer''s log | leaf id | internal';
COMMENT ON COLUMN credential_card.replaced_by IS 'the newer one | UUIDv7 | internal';
COMMENT ON COLUMN credential_card.received_at IS 'in the wallet since | UTC | internal';
COMMENT ON COLUMN credential_card.used_at IS 'last shown | UTC | internal';

CREATE TABLE credential_presentation (
    subject text NOT NULL,
    id uuid NOT NULL,
    card uuid NOT NULL,
    disclosure text NOT NULL,
    opaque bytea NOT NULL,
    code_hash bytea NOT NULL,
    token bytea NOT NULL,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    stopped boolean NOT NULL DEFAULT false,
    used_at timestamptz,
    PRIMARY KEY (subject, id)
);
CREATE INDEX credential_presentation_opaque ON credential_presentation (opaque);
CREATE INDEX credential_presentation_code ON credential_presentation (code_hash);
CREATE INDEX credential_presentation_end ON credential_presentation (expires_at);
COMMENT ON TABLE credential_presentation IS 'Showings of the last minutes 出示; swept an hour after they end';
COMMENT ON COLUMN credential_presentation.subject IS 'wallet owner | subject | personal';
COMMENT ON COLUMN credential_presentation.id IS 'showing | UUIDv7 | internal';
COMMENT ON COLUMN credential_presentation.card IS 'card shown | UUIDv7 | internal';
COMMENT ON COLUMN credential_presentation.disclosure IS 'set of fields chosen | id in the type | internal';
COMMENT ON COLUMN credential_presentation.opaque IS 'opaque id in the code | 16 random bytes | internal';
COMMENT ON COLUMN credential_presentation.code_hash IS 'HMAC-SM3 of the 8 digits | 32 bytes | secret';
COMMENT ON COLUMN credential_presentation.token IS 'the GZ1 text | sealed text | personal';
COMMENT ON COLUMN credential_presentation.issued_at IS 'made | UTC | internal';
COMMENT ON COLUMN credential_presentation.expires_at IS 'good until | UTC | internal';
COMMENT ON COLUMN credential_presentation.stopped IS 'the holder stopped it | boolean | internal';
COMMENT ON COLUMN credential_presentation.used_at IS 'first looked at online; no second time | UTC | internal';

CREATE TABLE credential_view (
    subject text NOT NULL,
    id uuid NOT NULL,
    card uuid NOT NULL,
    at timestamptz NOT NULL,
    unit text NOT NULL,
    node text NOT NULL,
    registered boolean NOT NULL,
    purpose text NOT NULL,
    fields text[] NOT NULL,
    result text NOT NULL,
    reported_at timestamptz,
    report bytea,
    PRIMARY KEY (subject, id)
);
CREATE INDEX credential_view_card ON credential_view (subject, card, at DESC);
COMMENT ON TABLE credential_view IS 'Who looked at a card 谁看过, for its holder; append only but for the report';
COMMENT ON COLUMN credential_view.subject IS 'wallet owner | subject | personal';
COMMENT ON COLUMN credential_view.id IS 'look | UUIDv7 | internal';
COMMENT ON COLUMN credential_view.card IS 'card | UUIDv7 | internal';
COMMENT ON COLUMN credential_view.at IS 'when | UTC | internal';
COMMENT ON COLUMN credential_view.unit IS 'verifier unit, or 未登记的查验方 | text | internal';
COMMENT ON COLUMN credential_view.node IS 'node of the verifier | node id | internal';
COMMENT ON COLUMN credential_view.registered IS 'a registered unit | boolean | internal';
COMMENT ON COLUMN credential_view.purpose IS 'purpose | text | internal';
COMMENT ON COLUMN credential_view.fields IS 'names of the fields shown | list of text | internal';
COMMENT ON COLUMN credential_view.result IS 'state told | word | internal';
COMMENT ON COLUMN credential_view.reported_at IS 'holder reported abuse | UTC | internal';
COMMENT ON COLUMN credential_view.report IS 'what the holder wrote | sealed text | personal';

CREATE TABLE credential_seen (
    verifier_group text NOT NULL,
    jti bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (verifier_group, jti)
);
CREATE INDEX credential_seen_end ON credential_seen (expires_at);
COMMENT ON TABLE credential_seen IS 'Codes taken once by a verifier group 防重放';
COMMENT ON COLUMN credential_seen.verifier_group IS 'verifier unit, or unregistered | id | internal';
COMMENT ON COLUMN credential_seen.jti IS 'number of the code | 8 bytes | internal';
COMMENT ON COLUMN credential_seen.expires_at IS 'row may go | UTC | internal';

CREATE TABLE credential_try (
    verifier_group text NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (verifier_group, id)
);
COMMENT ON TABLE credential_try IS 'Wrong 8-digit codes of the last minutes 数字码试错';
COMMENT ON COLUMN credential_try.verifier_group IS 'verifier unit and node | id | internal';
COMMENT ON COLUMN credential_try.id IS 'try | UUIDv7 | internal';
COMMENT ON COLUMN credential_try.at IS 'when | UTC | internal';

CREATE TABLE credential_verifier (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    org_code text NOT NULL,
    purposes text[] NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'stopped')),
    made_by text NOT NULL,
    made_at timestamptz NOT NULL
);
COMMENT ON TABLE credential_verifier IS 'Registered verifier units 查验方';
COMMENT ON COLUMN credential_verifier.id IS 'unit | UUIDv7 | internal';
COMMENT ON COLUMN credential_verifier.name IS 'name shown to holders | text | public';
COMMENT ON COLUMN credential_verifier.org_code IS 'unit | 统一社会信用代码 | public';
COMMENT ON COLUMN credential_verifier.purposes IS 'purposes allowed | ids | public';
COMMENT ON COLUMN credential_verifier.state IS 'active or stopped | word | internal';
COMMENT ON COLUMN credential_verifier.made_by IS 'who registered it | staff id | internal';
COMMENT ON COLUMN credential_verifier.made_at IS 'registered | UTC | internal';

CREATE TABLE credential_enrolment (
    verifier uuid NOT NULL,
    id uuid NOT NULL,
    code_hash bytea NOT NULL,
    valid_until timestamptz NOT NULL,
    uses_left integer NOT NULL,
    PRIMARY KEY (verifier, id)
);
CREATE INDEX credential_enrolment_code ON credential_enrolment (code_hash);
COMMENT ON TABLE credential_enrolment IS 'Enrolment codes for browsers of a verifier unit 登记码';
COMMENT ON COLUMN credential_enrolment.verifier IS 'unit | UUIDv7 | internal';
COMMENT ON COLUMN credential_enrolment.id IS 'code | UUIDv7 | internal';
COMMENT ON COLUMN credential_enrolment.code_hash IS 'HMAC-SM3 of the code | 32 bytes | secret';
COMMENT ON COLUMN credential_enrolment.valid_until IS 'good until | UTC | internal';
COMMENT ON COLUMN credential_enrolment.uses_left IS 'browsers it may still bind | count | internal';

CREATE TABLE credential_browser (
    id uuid PRIMARY KEY,
    verifier uuid NOT NULL,
    key_hash bytea NOT NULL,
    label text NOT NULL,
    purpose text NOT NULL,
    bound_at timestamptz NOT NULL,
    stopped_at timestamptz
);
CREATE INDEX credential_browser_key ON credential_browser (key_hash);
COMMENT ON TABLE credential_browser IS 'Browsers bound to a verifier unit 查验窗口';
COMMENT ON COLUMN credential_browser.id IS 'browser | UUIDv7 | internal';
COMMENT ON COLUMN credential_browser.verifier IS 'unit | UUIDv7 | internal';
COMMENT ON COLUMN credential_browser.key_hash IS 'SM3 of the unit key in the cookie | 32 bytes | secret';
COMMENT ON COLUMN credential_browser.label IS 'window, such as 柜台 07 | text | internal';
COMMENT ON COLUMN credential_browser.purpose IS 'purpose chosen now | id | internal';
COMMENT ON COLUMN credential_browser.bound_at IS 'bound | UTC | internal';
COMMENT ON COLUMN credential_browser.stopped_at IS 'no longer good | UTC | internal';

CREATE TABLE credential_check (
    verifier_group text NOT NULL,
    day date NOT NULL,
    purpose text NOT NULL,
    verdict text NOT NULL,
    checks integer NOT NULL,
    PRIMARY KEY (verifier_group, day, purpose, verdict)
);
COMMENT ON TABLE credential_check IS 'Counts of checks, nothing else is kept 核对次数';
COMMENT ON COLUMN credential_check.verifier_group IS 'verifier unit, or unregistered | id | internal';
COMMENT ON COLUMN credential_check.day IS 'day in China | date | internal';
COMMENT ON COLUMN credential_check.purpose IS 'purpose | id | internal';
COMMENT ON COLUMN credential_check.verdict IS 'verdict | word | internal';
COMMENT ON COLUMN credential_check.checks IS 'how many | count | internal';

CREATE TABLE credential_print_order (
    subject text NOT NULL,
    id uuid NOT NULL,
    credential uuid NOT NULL,
    hall_node text NOT NULL,
    hall_code text NOT NULL,
    hall_name text NOT NULL,
    code bytea NOT NULL,
    state text NOT NULL,
    ordered_at timestamptz NOT NULL,
    valid_until date NOT NULL,
    blank_no text NOT NULL DEFAULT '',
    officer text NOT NULL DEFAULT '',
    signature_digest text NOT NULL DEFAULT '',
    rev integer NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL,
    leaf text NOT NULL,
    PRIMARY KEY (subject, id)
);
CREATE INDEX credential_print_order_id ON credential_print_order (id);
-- at most one order that may still give a paper
CREATE UNIQUE INDEX credential_print_order_live ON credential_print_order (subject, credential)
    WHERE state IN ('ordered', 'accepted', 'printed', 'spoilt', 'handed_over');
COMMENT ON TABLE credential_print_order IS 'Print orders given to halls, at the issuer 异地互发打印单';
COMMENT ON COLUMN credential_print_order.subject IS 'wallet owner | subject | personal';
COMMENT ON COLUMN credential_print_order.id IS 'order | UUIDv7 | internal';
COMMENT ON COLUMN credential_print_order.credential IS 'credential | UUIDv7 | internal';
COMMENT ON COLUMN credential_print_order.hall_node IS 'node of the hall | node id | internal';
COMMENT ON COLUMN credential_print_order.hall_code IS 'hall | code | internal';
COMMENT ON COLUMN credential_print_order.hall_name IS 'hall | text | internal';
COMMENT ON COLUMN credential_print_order.code IS 'pick-up code of the holder | sealed text | personal';
COMMENT ON COLUMN credential_print_order.state IS 'ordered, accepted, printed, spoilt, handed_over … | word | internal';
COMMENT ON COLUMN credential_print_order.ordered_at IS 'ordered | UTC | internal';
COMMENT ON COLUMN credential_print_order.valid_until IS 'last day to print | day in China | internal';
COMMENT ON COLUMN credential_print_order.blank_no IS 'number of the blank form | text | internal';
COMMENT ON COLUMN credential_print_order.officer IS 'hall officer | staff id | internal';
COMMENT ON COLUMN credential_print_order.signature_digest IS 'digest of both signatures at hand-over | sm3:base64url | internal';
COMMENT ON COLUMN credential_print_order.rev IS 'last change told by the hall | number | internal';
COMMENT ON COLUMN credential_print_order.changed_at IS 'state since | UTC | internal';
COMMENT ON COLUMN credential_print_order.leaf IS 'log leaf of the last change | leaf id | internal';

CREATE TABLE credential_print_job (
    hall_code text NOT NULL,
    id uuid NOT NULL,
    issuer text NOT NULL,
    org_name text NOT NULL,
    credential uuid NOT NULL,
    identifier text NOT NULL,
    type_code text NOT NULL,
    hall_name text NOT NULL,
    holder_name bytea NOT NULL,
    ofd bytea NOT NULL,
    code_hash bytea NOT NULL,
    wrong_codes integer NOT NULL DEFAULT 0,
    list_no integer NOT NULL,
    list_index integer NOT NULL,
    state text NOT NULL,
    ordered_at timestamptz NOT NULL,
    valid_until date NOT NULL,
    blank_no text NOT NULL DEFAULT '',
    officer text NOT NULL DEFAULT '',
    holder_signature bytea,
    rev integer NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (hall_code, id)
);
CREATE INDEX credential_print_job_id ON credential_print_job (id);
CREATE INDEX credential_print_job_queue ON credential_print_job (hall_code, state, ordered_at);
COMMENT ON TABLE credential_print_job IS 'Prints waiting or done at the halls of this node 待打印';
COMMENT ON COLUMN credential_print_job.hall_code IS 'hall | code | internal';
COMMENT ON COLUMN credential_print_job.id IS 'order | UUIDv7 of the issuer | internal';
COMMENT ON COLUMN credential_print_job.issuer IS 'issuing node | node id | internal';
COMMENT ON COLUMN credential_print_job.org_name IS '颁发机构 | text | public';
COMMENT ON COLUMN credential_print_job.credential IS 'credential | UUIDv7 | internal';
COMMENT ON COLUMN credential_print_job.identifier IS '电子证照标识 | GB/T 36904 | internal';
COMMENT ON COLUMN credential_print_job.type_code IS '证照类型代码 | 21 characters | public';
COMMENT ON COLUMN credential_print_job.hall_name IS 'hall | text | internal';
COMMENT ON COLUMN credential_print_job.holder_name IS '持证主体 | sealed text | personal';
COMMENT ON COLUMN credential_print_job.ofd IS 'document to print, emptied at the end | sealed bytes | personal sensitive';
COMMENT ON COLUMN credential_print_job.code_hash IS 'HMAC of the pick-up code | 32 bytes | secret';
COMMENT ON COLUMN credential_print_job.wrong_codes IS 'wrong pick-up codes typed | count | internal';
COMMENT ON COLUMN credential_print_job.list_no IS 'status list of the issuer | number | internal';
COMMENT ON COLUMN credential_print_job.list_index IS 'place in it | 0 to 65535 | internal';
COMMENT ON COLUMN credential_print_job.state IS 'ordered, accepted, printed, spoilt, handed_over … | word | internal';
COMMENT ON COLUMN credential_print_job.ordered_at IS 'ordered | UTC | internal';
COMMENT ON COLUMN credential_print_job.valid_until IS 'last day to print | day in China | internal';
COMMENT ON COLUMN credential_print_job.blank_no IS 'blank form now in use | text | internal';
COMMENT ON COLUMN credential_print_job.officer IS 'officer who acted last | staff id | internal';
COMMENT ON COLUMN credential_print_job.holder_signature IS 'name the holder signed with | sealed text | personal';
COMMENT ON COLUMN credential_print_job.rev IS 'changes told to the issuer | number | internal';
COMMENT ON COLUMN credential_print_job.changed_at IS 'state since | UTC | internal';

CREATE TABLE credential_blank (
    hall_code text NOT NULL,
    blank_no text NOT NULL,
    state text NOT NULL CHECK (state IN ('reserved', 'printed', 'handed_over', 'spoilt')),
    job uuid NOT NULL,
    officer text NOT NULL,
    spoil_by text NOT NULL DEFAULT '',
    witness text NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    PRIMARY KEY (hall_code, blank_no)
);
-- one living blank for an order, so at most one valid print (cases.md I-14)
CREATE UNIQUE INDEX credential_blank_live ON credential_blank (hall_code, job) WHERE state <> 'spoilt';
COMMENT ON TABLE credential_blank IS 'Numbered blank forms used at a hall 空白证照; each number once';
COMMENT ON COLUMN credential_blank.hall_code IS 'hall | code | internal';
COMMENT ON COLUMN credential_blank.blank_no IS 'number on the blank | text | internal';
COMMENT ON COLUMN credential_blank.state IS 'reserved, printed, handed_over, spoilt | word | internal';
COMMENT ON COLUMN credential_blank.job IS 'order it is for | UUIDv7 | internal';
COMMENT ON COLUMN credential_blank.officer IS 'who used it | staff id | internal';
COMMENT ON COLUMN credential_blank.spoil_by IS 'who says it is spoilt | staff id | internal';
COMMENT ON COLUMN credential_blank.witness IS 'second signature when destroyed | staff id | internal';
COMMENT ON COLUMN credential_blank.at IS 'last change | UTC | internal';

CREATE TABLE credential_pickup (
    subject text NOT NULL,
    id uuid NOT NULL,
    card uuid NOT NULL,
    hall_name text NOT NULL,
    code bytea NOT NULL,
    state text NOT NULL,
    valid_until date NOT NULL,
    rev integer NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (subject, id)
);
CREATE INDEX credential_pickup_card ON credential_pickup (subject, card);
COMMENT ON TABLE credential_pickup IS 'Print orders as the holder''s home knows them 领证单';
COMMENT ON COLUMN credential_pickup.subject IS 'wallet owner | subject | personal';
COMMENT ON COLUMN credential_pickup.id IS 'order | UUIDv7 of the issuer | internal';
COMMENT ON COLUMN credential_pickup.card IS 'card | UUIDv7 | internal';
COMMENT ON COLUMN credential_pickup.hall_name IS 'hall | text | internal';
COMMENT ON COLUMN credential_pickup.code IS 'pick-up code | sealed text | personal';
COMMENT ON COLUMN credential_pickup.state IS 'requested, refused, or the order''s state | word | internal';
COMMENT ON COLUMN credential_pickup.valid_until IS 'last day | day in China | internal';
COMMENT ON COLUMN credential_pickup.rev IS 'last change told | number | internal';
COMMENT ON COLUMN credential_pickup.changed_at IS 'state since | UTC | internal';

CREATE TABLE credential_request (
    subject text NOT NULL,
    type_code text NOT NULL,
    issuer text NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (subject, type_code)
);
COMMENT ON TABLE credential_request IS 'Credentials asked of their issuing node for a wallet kept here 归集申请';
COMMENT ON COLUMN credential_request.subject IS 'wallet owner | subject | personal';
COMMENT ON COLUMN credential_request.type_code IS '证照类型代码 | 21 characters | public';
COMMENT ON COLUMN credential_request.issuer IS 'node asked | node id | public';
COMMENT ON COLUMN credential_request.asked_at IS 'last asked | UTC | internal';

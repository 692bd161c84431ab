-- identity 统一身份认证: accounts, sessions, sign-in between nodes, staff, the demo population register.

CREATE TABLE account (
    subject text NOT NULL,
    id uuid NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open','restricted','closed','moved')),
    phone bytea,
    bi_phone bytea,
    proof smallint NOT NULL CHECK (proof BETWEEN 1 AND 4),
    proof_method text NOT NULL,
    proof_at timestamptz NOT NULL,
    home_statement bytea,
    statement_until timestamptz,
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (subject),
    UNIQUE (id)
);
CREATE INDEX account_by_phone ON account (bi_phone) WHERE status <> 'closed';
COMMENT ON TABLE account IS 'Account 账号 opened at this node, one a person in the nation (identity.md 2)';
COMMENT ON COLUMN account.subject IS 'pseudonym n1… or l… until matched | identifier | personal';
COMMENT ON COLUMN account.id IS 'account id, never changes | UUIDv7 | internal';
COMMENT ON COLUMN account.status IS 'state of the account | open, restricted, closed, moved | internal';
COMMENT ON COLUMN account.phone IS 'mobile number | sealed text, 11 digits | personal';
COMMENT ON COLUMN account.bi_phone IS 'blind index of the mobile number | 16 bytes HMAC-SM3 | personal';
COMMENT ON COLUMN account.proof IS 'proof of the account: 1 self-declared, 2 name and number, 3 live person, 4 in person | level | internal';
COMMENT ON COLUMN account.proof_method IS 'how the proof was reached | code | internal';
COMMENT ON COLUMN account.proof_at IS 'when the proof was reached | UTC | internal';
COMMENT ON COLUMN account.home_statement IS 'statement of the register that this node is the home | sealed JWS, 30 days | personal';
COMMENT ON COLUMN account.statement_until IS 'end of that statement | UTC | internal';
COMMENT ON COLUMN account.opened_at IS 'when the account was opened | UTC | internal';

CREATE TABLE person (
    subject text NOT NULL,
    home text NOT NULL,
    proof smallint NOT NULL,
    doctype text NOT NULL DEFAULT '111',
    name bytea,
    name_masked bytea,
    number bytea,
    bi_number bytea,
    photo_held boolean NOT NULL DEFAULT false,
    matched_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (subject)
);
CREATE UNIQUE INDEX person_by_number ON person (bi_number) WHERE bi_number IS NOT NULL;
COMMENT ON TABLE person IS 'Person 人 known to this node: own people whole, visitors by home, level and masked name (identity.md 1, 10)';
COMMENT ON COLUMN person.subject IS 'pseudonym n1… or l… | identifier | personal';
COMMENT ON COLUMN person.home IS 'home node | node id | internal';
COMMENT ON COLUMN person.proof IS 'proof of the account as last heard | level | internal';
COMMENT ON COLUMN person.doctype IS 'holder code of the document | standards.md 3 | internal';
COMMENT ON COLUMN person.name IS 'name as the register writes it | sealed text | personal';
COMMENT ON COLUMN person.name_masked IS 'masked name for greetings | sealed text | personal';
COMMENT ON COLUMN person.number IS 'number of the document | sealed text | personal sensitive';
COMMENT ON COLUMN person.bi_number IS 'blind index of doctype and number | 16 bytes HMAC-SM3 | personal';
COMMENT ON COLUMN person.photo_held IS 'whether the register holds a photo for a face check | boolean | internal';
COMMENT ON COLUMN person.matched_at IS 'when the register matched name and number | UTC | internal';
COMMENT ON COLUMN person.version IS 'version of the register row used | count | internal';
COMMENT ON COLUMN person.seen_at IS 'last news of this person | UTC | internal';

CREATE TABLE subject_alias (
    old bytea NOT NULL,
    subject text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (subject, old),
    UNIQUE (old)
);
COMMENT ON TABLE subject_alias IS 'Subject alias 标识替换: an old pseudonym and the one that follows it (identity.md 1)';
COMMENT ON COLUMN subject_alias.old IS 'blind index of the pseudonym before | 16 bytes HMAC-SM3 | personal';
COMMENT ON COLUMN subject_alias.subject IS 'pseudonym now | identifier | personal';
COMMENT ON COLUMN subject_alias.since IS 'when it changed | UTC | internal';

CREATE TABLE match_pending (
    subject text NOT NULL,
    name bytea NOT NULL,
    number bytea NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    asked_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    PRIMARY KEY (subject)
);
COMMENT ON TABLE match_pending IS 'Matches to be asked again because the register was away 待重查的核对 (identity.md 6.1)';
COMMENT ON COLUMN match_pending.subject IS 'local pseudonym l… | identifier | personal';
COMMENT ON COLUMN match_pending.name IS 'name typed | sealed text | personal';
COMMENT ON COLUMN match_pending.number IS 'number typed | sealed text | personal sensitive';
COMMENT ON COLUMN match_pending.tries IS 'how often asked | count | internal';
COMMENT ON COLUMN match_pending.asked_at IS 'when first asked | UTC | internal';
COMMENT ON COLUMN match_pending.next_at IS 'when to ask next | UTC | internal';

CREATE TABLE session (
    subject text NOT NULL,
    id uuid NOT NULL,
    cookie_hash bytea NOT NULL,
    previous_hash bytea,
    previous_until timestamptz,
    account uuid,
    kind text NOT NULL CHECK (kind IN ('citizen','staff','kiosk')),
    acr smallint NOT NULL CHECK (acr BETWEEN 1 AND 4),
    proof smallint NOT NULL CHECK (proof BETWEEN 1 AND 4),
    amr text[] NOT NULL DEFAULT '{}',
    auth_time timestamptz NOT NULL,
    raised_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    idle_until timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    rotated_at timestamptz NOT NULL,
    device uuid,
    home text,
    home_sid text,
    home_news_at timestamptz,
    visited text[] NOT NULL DEFAULT '{}',
    revoked_at timestamptz,
    reason text,
    PRIMARY KEY (subject, id),
    UNIQUE (id),
    UNIQUE (cookie_hash)
);
CREATE INDEX session_previous ON session (previous_hash) WHERE previous_hash IS NOT NULL;
CREATE INDEX session_home ON session (home, home_sid) WHERE home IS NOT NULL;
COMMENT ON TABLE session IS 'Session 会话 of a citizen or of staff, keyed by the hash of its cookie (identity.md 7)';
COMMENT ON COLUMN session.subject IS 'who is signed in | identifier | personal';
COMMENT ON COLUMN session.id IS 'session id, the sid of tokens | UUIDv7 | internal';
COMMENT ON COLUMN session.cookie_hash IS 'SM3 of the cookie value | 32 bytes | secret';
COMMENT ON COLUMN session.previous_hash IS 'SM3 of the value before the last turn | 32 bytes | secret';
COMMENT ON COLUMN session.previous_until IS 'until when the value before is taken | UTC | internal';
COMMENT ON COLUMN session.account IS 'account at this node, null for a visitor | UUIDv7 | internal';
COMMENT ON COLUMN session.kind IS 'kind of session | code | internal';
COMMENT ON COLUMN session.acr IS 'level reached at raised_at, before decay | level | internal';
COMMENT ON COLUMN session.proof IS 'proof of the account at sign-in | level | internal';
COMMENT ON COLUMN session.amr IS 'authenticators used | codes of identity.md 3 | internal';
COMMENT ON COLUMN session.auth_time IS 'when the person last proved something | UTC | internal';
COMMENT ON COLUMN session.raised_at IS 'when acr was reached | UTC | internal';
COMMENT ON COLUMN session.started_at IS 'when the session began | UTC | internal';
COMMENT ON COLUMN session.seen_at IS 'last request, at most a minute old | UTC | internal';
COMMENT ON COLUMN session.idle_until IS 'end unless used | UTC | internal';
COMMENT ON COLUMN session.ends_at IS 'end in any case | UTC | internal';
COMMENT ON COLUMN session.rotated_at IS 'when the cookie value last turned | UTC | internal';
COMMENT ON COLUMN session.device IS 'device row | UUIDv7 | personal';
COMMENT ON COLUMN session.home IS 'home node of a visitor''s session, null at home | node id | internal';
COMMENT ON COLUMN session.home_sid IS 'session id at the home | UUIDv7 | internal';
COMMENT ON COLUMN session.home_news_at IS 'last news of the home about this session | UTC | internal';
COMMENT ON COLUMN session.visited IS 'nodes signed in from this session, to tell them the end | node ids | internal';
COMMENT ON COLUMN session.revoked_at IS 'when it was ended | UTC | internal';
COMMENT ON COLUMN session.reason IS 'why it was ended | code | internal';

CREATE TABLE device (
    subject text NOT NULL,
    id uuid NOT NULL,
    secret_hash bytea NOT NULL,
    label bytea NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    own_phone boolean NOT NULL DEFAULT false,
    PRIMARY KEY (subject, id)
);
CREATE UNIQUE INDEX device_by_secret ON device (secret_hash, subject);
COMMENT ON TABLE device IS 'Device 用过的设备: a browser seen before with this account (identity.md 7, 8)';
COMMENT ON COLUMN device.subject IS 'whose device | identifier | personal';
COMMENT ON COLUMN device.id IS 'device id | UUIDv7 | internal';
COMMENT ON COLUMN device.secret_hash IS 'SM3 of the device cookie | 32 bytes | secret';
COMMENT ON COLUMN device.label IS 'browser and system in words | sealed text | personal';
COMMENT ON COLUMN device.first_seen IS 'first sign-in | UTC | internal';
COMMENT ON COLUMN device.last_seen IS 'last sign-in | UTC | internal';
COMMENT ON COLUMN device.own_phone IS 'a phone of the person, not a shared computer | boolean | internal';

CREATE TABLE authenticator (
    subject text NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('passkey','certificate')),
    credential_id bytea NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL DEFAULT 0,
    bound_acr smallint NOT NULL,
    label bytea NOT NULL,
    created_at timestamptz NOT NULL,
    last_used timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (subject, id),
    UNIQUE (credential_id)
);
COMMENT ON TABLE authenticator IS 'Authenticator 登录凭据: passkeys of citizens and staff, certificates of staff (identity.md 3)';
COMMENT ON COLUMN authenticator.subject IS 'whose | identifier | personal';
COMMENT ON COLUMN authenticator.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN authenticator.kind IS 'kind | code | internal';
COMMENT ON COLUMN authenticator.credential_id IS 'credential id, or serial of a certificate | bytes | personal';
COMMENT ON COLUMN authenticator.public_key IS 'public key as the library gives it | COSE bytes or SPKI | internal';
COMMENT ON COLUMN authenticator.sign_count IS 'signature counter last seen | count | internal';
COMMENT ON COLUMN authenticator.bound_acr IS 'level of the session that bound it: its ceiling | level | internal';
COMMENT ON COLUMN authenticator.label IS 'name given by the person | sealed text | personal';
COMMENT ON COLUMN authenticator.created_at IS 'when bound | UTC | internal';
COMMENT ON COLUMN authenticator.last_used IS 'last sign-in | UTC | internal';
COMMENT ON COLUMN authenticator.ended_at IS 'when removed | UTC | internal';

CREATE TABLE signin_record (
    subject text NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    what text NOT NULL,
    place text NOT NULL,
    acr smallint NOT NULL,
    device bytea NOT NULL,
    PRIMARY KEY (subject, id)
);
COMMENT ON TABLE signin_record IS 'Sign-in record 登录记录 shown to the person, kept one year (privacy.md 4)';
COMMENT ON COLUMN signin_record.subject IS 'whose | identifier | personal';
COMMENT ON COLUMN signin_record.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN signin_record.at IS 'when | UTC | internal';
COMMENT ON COLUMN signin_record.what IS 'signed in, stepped up, visited, signed out, refused | code | internal';
COMMENT ON COLUMN signin_record.place IS 'node where it happened | node id | internal';
COMMENT ON COLUMN signin_record.acr IS 'level | level | internal';
COMMENT ON COLUMN signin_record.device IS 'browser in words | sealed text | personal';

CREATE TABLE login_tx (
    id uuid NOT NULL,
    cookie_hash bytea NOT NULL,
    step text NOT NULL CHECK (step IN ('code','name','done','dead')),
    next text NOT NULL,
    level smallint NOT NULL DEFAULT 1,
    phone bytea,
    phone_typed boolean NOT NULL,
    typed_number bytea,
    subject text,
    device uuid,
    device_known boolean NOT NULL DEFAULT false,
    code_hash bytea,
    code_until timestamptz,
    tries smallint NOT NULL DEFAULT 0,
    sent smallint NOT NULL DEFAULT 0,
    phone_proven boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (id)
);
COMMENT ON TABLE login_tx IS 'Login transaction 登录事务: one attempt of one browser, kept one hour (identity.md 3, 6.1)';
COMMENT ON COLUMN login_tx.id IS 'transaction id | UUIDv7 | internal';
COMMENT ON COLUMN login_tx.cookie_hash IS 'SM3 of the transaction cookie | 32 bytes | secret';
COMMENT ON COLUMN login_tx.step IS 'where it stands | code | internal';
COMMENT ON COLUMN login_tx.next IS 'where to go afterwards, a path of this node | path | internal';
COMMENT ON COLUMN login_tx.level IS 'level asked | level | internal';
COMMENT ON COLUMN login_tx.phone IS 'where the code went | sealed text | personal';
COMMENT ON COLUMN login_tx.phone_typed IS 'a phone was typed, not a document number | boolean | internal';
COMMENT ON COLUMN login_tx.typed_number IS 'document number typed so far | sealed text | personal sensitive';
COMMENT ON COLUMN login_tx.subject IS 'account found, null when none | identifier | personal';
COMMENT ON COLUMN login_tx.device IS 'known device of that account | UUIDv7 | personal';
COMMENT ON COLUMN login_tx.device_known IS 'cookie of a known device came with it | boolean | internal';
COMMENT ON COLUMN login_tx.code_hash IS 'HMAC-SM3 of transaction and code | 32 bytes | secret';
COMMENT ON COLUMN login_tx.code_until IS 'end of the code | UTC | internal';
COMMENT ON COLUMN login_tx.tries IS 'wrong codes so far | count | internal';
COMMENT ON COLUMN login_tx.sent IS 'codes sent | count | internal';
COMMENT ON COLUMN login_tx.phone_proven IS 'the right code came back | boolean | internal';
COMMENT ON COLUMN login_tx.created_at IS 'start | UTC | internal';
COMMENT ON COLUMN login_tx.expires_at IS 'end, 30 minutes | UTC | internal';

CREATE TABLE demo_sms (
    id uuid NOT NULL,
    bi_phone bytea NOT NULL,
    text bytea NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX demo_sms_by_phone ON demo_sms (bi_phone, at);
COMMENT ON TABLE demo_sms IS 'Demo text messages 演示短信, on demo nodes only';
COMMENT ON COLUMN demo_sms.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN demo_sms.bi_phone IS 'blind index of the number | 16 bytes | personal';
COMMENT ON COLUMN demo_sms.text IS 'the message | sealed text | personal';
COMMENT ON COLUMN demo_sms.at IS 'when sent | UTC | internal';

CREATE TABLE throttle (
    key bytea NOT NULL,
    starts_at timestamptz NOT NULL,
    seconds integer NOT NULL,
    count integer NOT NULL,
    PRIMARY KEY (key, seconds)
);
COMMENT ON TABLE throttle IS 'Counters 限次 of identity.md 8; keys are hashes';
COMMENT ON COLUMN throttle.key IS 'HMAC-SM3 of what is counted | 16 bytes | personal';
COMMENT ON COLUMN throttle.starts_at IS 'start of the window | UTC | internal';
COMMENT ON COLUMN throttle.seconds IS 'length of the window | seconds | internal';
COMMENT ON COLUMN throttle.count IS 'so far | count | internal';

CREATE UNLOGGED TABLE replay (
    kind text NOT NULL,
    seen bytea NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (kind, seen)
);
CREATE INDEX replay_until ON replay (until);
COMMENT ON TABLE replay IS 'Ids seen once 用过的一次性标识: jti of assertions and proofs';
COMMENT ON COLUMN replay.kind IS 'assertion, dpop, logout | code | internal';
COMMENT ON COLUMN replay.seen IS 'SM3 of the id | 32 bytes | secret';
COMMENT ON COLUMN replay.until IS 'when it may be forgotten | UTC | internal';

CREATE TABLE jose_key (
    kid text NOT NULL,
    alg text NOT NULL CHECK (alg IN ('Ed25519','ES256')),
    published_at timestamptz NOT NULL,
    use_from timestamptz NOT NULL,
    retired_at timestamptz,
    PRIMARY KEY (kid)
);
COMMENT ON TABLE jose_key IS 'Token keys 令牌密钥 of this node; the private half is in the KeyStore (identity.md 5)';
COMMENT ON COLUMN jose_key.kid IS 'key id | <node>/j<n> or <node>/w<n> | public';
COMMENT ON COLUMN jose_key.alg IS 'algorithm | JOSE name | public';
COMMENT ON COLUMN jose_key.published_at IS 'first in the key set | UTC | public';
COMMENT ON COLUMN jose_key.use_from IS 'signs from | UTC | public';
COMMENT ON COLUMN jose_key.retired_at IS 'signs no more | UTC | public';

CREATE TABLE jwks_cache (
    node text NOT NULL,
    keys jsonb NOT NULL,
    fetched_at timestamptz NOT NULL,
    PRIMARY KEY (node)
);
COMMENT ON TABLE jwks_cache IS 'Key sets of other nodes 别的节点的令牌公钥, got by a signed call';
COMMENT ON COLUMN jwks_cache.node IS 'whose | node id | public';
COMMENT ON COLUMN jwks_cache.keys IS 'JWKS | RFC 7517 | public';
COMMENT ON COLUMN jwks_cache.fetched_at IS 'when | UTC | public';

CREATE TABLE oidc_request (
    id_hash bytea NOT NULL,
    client text NOT NULL,
    params jsonb NOT NULL,
    dpop_jkt text NOT NULL,
    expires_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (id_hash)
);
COMMENT ON TABLE oidc_request IS 'Pushed authorization requests 推送的授权请求 (RFC 9126)';
COMMENT ON COLUMN oidc_request.id_hash IS 'SM3 of the request_uri | 32 bytes | secret';
COMMENT ON COLUMN oidc_request.client IS 'who pushed it | node id | internal';
COMMENT ON COLUMN oidc_request.params IS 'parameters as checked | JSON | internal';
COMMENT ON COLUMN oidc_request.dpop_jkt IS 'thumbprint of the proof key | base64url | internal';
COMMENT ON COLUMN oidc_request.expires_at IS 'end: 90 s, 30 min once a person is at it | UTC | internal';
COMMENT ON COLUMN oidc_request.finished_at IS 'answered | UTC | internal';

CREATE TABLE oidc_code (
    code_hash bytea NOT NULL,
    subject text NOT NULL,
    session uuid NOT NULL,
    client text NOT NULL,
    redirect_uri text NOT NULL,
    challenge text NOT NULL,
    dpop_jkt text NOT NULL,
    nonce text NOT NULL,
    scope text NOT NULL,
    acr smallint NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (subject, code_hash),
    UNIQUE (code_hash)
);
COMMENT ON TABLE oidc_code IS 'Authorization codes 授权码, used once within 60 s';
COMMENT ON COLUMN oidc_code.code_hash IS 'SM3 of the code | 32 bytes | secret';
COMMENT ON COLUMN oidc_code.subject IS 'for whom | identifier | personal';
COMMENT ON COLUMN oidc_code.session IS 'from which session | UUIDv7 | internal';
COMMENT ON COLUMN oidc_code.client IS 'for which client | node id | internal';
COMMENT ON COLUMN oidc_code.redirect_uri IS 'where it went | URL | internal';
COMMENT ON COLUMN oidc_code.challenge IS 'PKCE S256 | base64url | internal';
COMMENT ON COLUMN oidc_code.dpop_jkt IS 'thumbprint of the proof key | base64url | internal';
COMMENT ON COLUMN oidc_code.nonce IS 'of the request | text | internal';
COMMENT ON COLUMN oidc_code.scope IS 'granted | scopes | internal';
COMMENT ON COLUMN oidc_code.acr IS 'level given | level | internal';
COMMENT ON COLUMN oidc_code.expires_at IS 'end | UTC | internal';
COMMENT ON COLUMN oidc_code.used_at IS 'redeemed | UTC | internal';

CREATE TABLE roam_tx (
    state_hash bytea NOT NULL,
    cookie_hash bytea NOT NULL,
    issuer text NOT NULL,
    nonce text NOT NULL,
    verifier text NOT NULL,
    next text NOT NULL,
    silent boolean NOT NULL,
    level smallint NOT NULL,
    session uuid,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (state_hash)
);
COMMENT ON TABLE roam_tx IS 'Sign-in at another node under way 去账号所在地登录的途中 (identity.md 6.2, 6.3)';
COMMENT ON COLUMN roam_tx.state_hash IS 'SM3 of state | 32 bytes | secret';
COMMENT ON COLUMN roam_tx.cookie_hash IS 'SM3 of the transaction cookie | 32 bytes | secret';
COMMENT ON COLUMN roam_tx.issuer IS 'home asked | node id | internal';
COMMENT ON COLUMN roam_tx.nonce IS 'of the request | text | secret';
COMMENT ON COLUMN roam_tx.verifier IS 'PKCE verifier | base64url | secret';
COMMENT ON COLUMN roam_tx.next IS 'where to go afterwards, a path of this node | path | internal';
COMMENT ON COLUMN roam_tx.silent IS 'prompt=none | boolean | internal';
COMMENT ON COLUMN roam_tx.level IS 'level asked as essential, 0 for none | level | internal';
COMMENT ON COLUMN roam_tx.session IS 'session to raise, when one is there | UUIDv7 | internal';
COMMENT ON COLUMN roam_tx.expires_at IS 'end | UTC | internal';
COMMENT ON COLUMN roam_tx.used_at IS 'came back | UTC | internal';

CREATE TABLE session_end (
    subject text NOT NULL,
    home text NOT NULL,
    home_sid text NOT NULL DEFAULT '',
    before timestamptz NOT NULL,
    reason text NOT NULL,
    heard_at timestamptz NOT NULL,
    PRIMARY KEY (subject, home, home_sid, before)
);
COMMENT ON TABLE session_end IS 'Ends of sessions heard by letter 听到的退出 (identity.md 6.5)';
COMMENT ON COLUMN session_end.subject IS 'whose, or empty when the letter names a session | identifier | personal';
COMMENT ON COLUMN session_end.home IS 'who said it | node id | internal';
COMMENT ON COLUMN session_end.home_sid IS 'session at the home | UUIDv7 | internal';
COMMENT ON COLUMN session_end.before IS 'sessions started before are ended | UTC | internal';
COMMENT ON COLUMN session_end.reason IS 'why | code | internal';
COMMENT ON COLUMN session_end.heard_at IS 'when applied | UTC | internal';

CREATE TABLE home_index (
    kind text NOT NULL CHECK (kind IN ('number','phone')),
    bi bytea NOT NULL,
    home text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (kind, bi)
);
COMMENT ON TABLE home_index IS 'Home index 账号所在地索引 at the hub: number or phone to home, for introductions only (identity.md 2)';
COMMENT ON COLUMN home_index.kind IS 'what is indexed | code | internal';
COMMENT ON COLUMN home_index.bi IS 'blind index with the hub''s key | 16 bytes | personal';
COMMENT ON COLUMN home_index.home IS 'home node | node id | internal';
COMMENT ON COLUMN home_index.since IS 'when heard | UTC | internal';

CREATE TABLE home_hint (
    handle_hash bytea NOT NULL,
    home text NOT NULL,
    typed bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (handle_hash)
);
COMMENT ON TABLE home_hint IS 'Hints 引荐凭条 at the hub: what was typed, for the home to fetch once within 60 s';
COMMENT ON COLUMN home_hint.handle_hash IS 'SM3 of the handle | 32 bytes | secret';
COMMENT ON COLUMN home_hint.home IS 'who may fetch | node id | internal';
COMMENT ON COLUMN home_hint.typed IS 'number or phone | sealed text | personal sensitive';
COMMENT ON COLUMN home_hint.expires_at IS 'end | UTC | internal';
COMMENT ON COLUMN home_hint.used_at IS 'fetched | UTC | internal';

CREATE TABLE discovery_log (
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    from_node text NOT NULL,
    home text NOT NULL,
    PRIMARY KEY (id)
);
COMMENT ON TABLE discovery_log IS 'Discovery log 引荐记录 at the hub: which home from which node, 30 days, no person';
COMMENT ON COLUMN discovery_log.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN discovery_log.at IS 'when | UTC | internal';
COMMENT ON COLUMN discovery_log.from_node IS 'visited node | node id | internal';
COMMENT ON COLUMN discovery_log.home IS 'home named, empty for none | node id | internal';

CREATE TABLE register_entry (
    subject text NOT NULL,
    doctype text NOT NULL,
    number bytea NOT NULL,
    bi_number bytea NOT NULL,
    name bytea NOT NULL,
    sex bytea NOT NULL,
    born bytea NOT NULL,
    nation bytea NOT NULL,
    address bytea NOT NULL,
    division text NOT NULL,
    photo_held boolean NOT NULL,
    since date NOT NULL,
    version integer NOT NULL DEFAULT 1,
    demo boolean NOT NULL,
    home text,
    home_since timestamptz,
    PRIMARY KEY (subject),
    UNIQUE (bi_number)
);
COMMENT ON TABLE register_entry IS 'Population register 人口登记 of this node (demo twin), served to the others by population.match';
COMMENT ON COLUMN register_entry.subject IS 'pseudonym made with key K | identifier | personal';
COMMENT ON COLUMN register_entry.doctype IS 'holder code of the document | standards.md 3 | internal';
COMMENT ON COLUMN register_entry.number IS 'number of the document | sealed text | personal sensitive';
COMMENT ON COLUMN register_entry.bi_number IS 'blind index of doctype and number | 16 bytes | personal';
COMMENT ON COLUMN register_entry.name IS 'name | sealed text | personal';
COMMENT ON COLUMN register_entry.sex IS 'sex | sealed text | personal';
COMMENT ON COLUMN register_entry.born IS 'birth date | sealed ISO date | personal';
COMMENT ON COLUMN register_entry.nation IS '民族 | sealed text | personal';
COMMENT ON COLUMN register_entry.address IS 'registered address | sealed text | personal';
COMMENT ON COLUMN register_entry.division IS 'county of the address | GB/T 2260 | personal';
COMMENT ON COLUMN register_entry.photo_held IS 'a photo for face checks is held | boolean | internal';
COMMENT ON COLUMN register_entry.since IS 'in the register since | date | internal';
COMMENT ON COLUMN register_entry.version IS 'version of the row | count | internal';
COMMENT ON COLUMN register_entry.demo IS 'invented person 演示 | boolean | internal';
COMMENT ON COLUMN register_entry.home IS 'home node of the person''s account, null when none | node id | internal';
COMMENT ON COLUMN register_entry.home_since IS 'since when | UTC | internal';

CREATE TABLE match_asked (
    day date NOT NULL,
    node text NOT NULL,
    bi_number bytea NOT NULL,
    wrong integer NOT NULL DEFAULT 0,
    PRIMARY KEY (day, node, bi_number)
);
COMMENT ON TABLE match_asked IS 'Quota of population.match 核对限次: wrong names a number, day and node';
COMMENT ON COLUMN match_asked.day IS 'day in China | date | internal';
COMMENT ON COLUMN match_asked.node IS 'who asked | node id | internal';
COMMENT ON COLUMN match_asked.bi_number IS 'blind index of the number | 16 bytes | personal';
COMMENT ON COLUMN match_asked.wrong IS 'wrong names so far | count | internal';

CREATE TABLE staff (
    subject text NOT NULL,
    staff_no text NOT NULL,
    name bytea NOT NULL,
    unit text NOT NULL,
    org text NOT NULL,
    division text NOT NULL,
    department text NOT NULL,
    bi_citizen bytea,
    linked_subject bytea,
    demo boolean NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (subject),
    UNIQUE (staff_no)
);
COMMENT ON TABLE staff IS 'Staff account 工作人员账号 (identity.md 9)';
COMMENT ON COLUMN staff.subject IS 'staff id s… | identifier | internal';
COMMENT ON COLUMN staff.staff_no IS 'number used at the desk | text | internal';
COMMENT ON COLUMN staff.name IS 'name | sealed text | personal';
COMMENT ON COLUMN staff.unit IS 'unit and post in words | text | internal';
COMMENT ON COLUMN staff.org IS 'organisation code of the unit | 18 characters | internal';
COMMENT ON COLUMN staff.division IS 'division of the unit | GB/T 2260 | internal';
COMMENT ON COLUMN staff.department IS 'department | text | internal';
COMMENT ON COLUMN staff.bi_citizen IS 'blind index of the own citizen number, to refuse own cases | 16 bytes | personal';
COMMENT ON COLUMN staff.linked_subject IS 'own citizen subject, to refuse own cases | sealed text | personal';
COMMENT ON COLUMN staff.demo IS 'invented 演示 | boolean | internal';
COMMENT ON COLUMN staff.ended_at IS 'left | UTC | internal';

CREATE TABLE assignment (
    subject text NOT NULL,
    id uuid NOT NULL,
    role text NOT NULL,
    division text NOT NULL,
    org text NOT NULL DEFAULT '',
    items text[] NOT NULL DEFAULT '{*}',
    until timestamptz,
    proposed_by text NOT NULL,
    approved_by text NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (subject, id),
    CHECK (proposed_by <> approved_by OR proposed_by = 'setup')
);
COMMENT ON TABLE assignment IS 'Assignment 任职: role × division × department × items × until (identity.md 9)';
COMMENT ON COLUMN assignment.subject IS 'staff id s… | identifier | internal';
COMMENT ON COLUMN assignment.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN assignment.role IS 'role of roles.toml | code | internal';
COMMENT ON COLUMN assignment.division IS 'area | GB/T 2260 | internal';
COMMENT ON COLUMN assignment.org IS 'organisation, empty for all | 18 characters | internal';
COMMENT ON COLUMN assignment.items IS 'items, * for all | task codes | internal';
COMMENT ON COLUMN assignment.until IS 'end | UTC | internal';
COMMENT ON COLUMN assignment.proposed_by IS 'who proposed | staff id or node setup | internal';
COMMENT ON COLUMN assignment.approved_by IS 'who approved, another one | staff id or node setup | internal';
COMMENT ON COLUMN assignment.ended_at IS 'taken back | UTC | internal';

CREATE TABLE access_reason (
    subject text NOT NULL,
    id uuid NOT NULL,
    staff text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('case','queue','visit','dispute')),
    ref text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (subject, id)
);
COMMENT ON TABLE access_reason IS 'Reason for reading a person 查看理由 (identity.md 9)';
COMMENT ON COLUMN access_reason.subject IS 'person read | identifier | personal';
COMMENT ON COLUMN access_reason.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN access_reason.staff IS 'staff id | identifier | internal';
COMMENT ON COLUMN access_reason.kind IS 'kind of reason | code | internal';
COMMENT ON COLUMN access_reason.ref IS 'case, visit or dispute | id | internal';
COMMENT ON COLUMN access_reason.at IS 'when | UTC | internal';

CREATE TABLE counter_check (
    subject text NOT NULL,
    id uuid NOT NULL,
    word_hash bytea NOT NULL,
    staff text NOT NULL,
    hall text NOT NULL,
    at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    tries smallint NOT NULL DEFAULT 0,
    used_at timestamptz,
    PRIMARY KEY (subject, id)
);
COMMENT ON TABLE counter_check IS 'Check in person at a counter 窗口核验: document and person seen by a clerk, word given on paper (identity.md 3)';
COMMENT ON COLUMN counter_check.subject IS 'who was seen | identifier | personal';
COMMENT ON COLUMN counter_check.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN counter_check.word_hash IS 'HMAC-SM3 of subject and the 8-digit word | 32 bytes | secret';
COMMENT ON COLUMN counter_check.staff IS 'clerk | identifier | internal';
COMMENT ON COLUMN counter_check.hall IS 'hall in words | text | internal';
COMMENT ON COLUMN counter_check.at IS 'when | UTC | internal';
COMMENT ON COLUMN counter_check.expires_at IS 'end, 15 minutes | UTC | internal';
COMMENT ON COLUMN counter_check.tries IS 'wrong words | count | internal';
COMMENT ON COLUMN counter_check.used_at IS 'used | UTC | internal';

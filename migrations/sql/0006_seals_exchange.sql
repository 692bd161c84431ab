-- ==== seals 电子印章 ====================================================================================================

CREATE TABLE seal (
    org_code text NOT NULL,
    id uuid NOT NULL,
    es_id text NOT NULL,
    org_name text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('official', 'approval')),
    key_name text NOT NULL,
    der bytea NOT NULL,
    certificate bytea NOT NULL,
    picture bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'revoked')),
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    revoked_by text NOT NULL DEFAULT '',
    revoked_at timestamptz,
    revoke_reason text NOT NULL DEFAULT '',
    leaf text NOT NULL,
    PRIMARY KEY (org_code, id)
);
CREATE INDEX seal_id ON seal (id);
-- one live seal of a kind and name for a department
CREATE UNIQUE INDEX seal_live ON seal (org_code, kind, name) WHERE state = 'active';
COMMENT ON TABLE seal IS 'Electronic seals kept at this node 电子印章 (GB/T 38540-2020)';
COMMENT ON COLUMN seal.org_code IS 'department that owns the seal | 统一社会信用代码 | internal';
COMMENT ON COLUMN seal.id IS 'seal | UUIDv7 | internal';
COMMENT ON COLUMN seal.es_id IS 'esID in the seal | text | public';
COMMENT ON COLUMN seal.org_name IS 'department name | text | public';
COMMENT ON COLUMN seal.name IS 'what the seal says | text | public';
COMMENT ON COLUMN seal.kind IS 'official 公章 or approval 审批专用章 | word | internal';
COMMENT ON COLUMN seal.key_name IS 'name of the signing key in the key store | text | internal';
COMMENT ON COLUMN seal.der IS 'SESeal v4 | DER | public';
COMMENT ON COLUMN seal.certificate IS 'certificate of the signing key | X.509 DER | public';
COMMENT ON COLUMN seal.picture IS 'seal picture | PNG | public';
COMMENT ON COLUMN seal.state IS 'active or revoked | word | internal';
COMMENT ON COLUMN seal.made_by IS 'who had it made | staff id | internal';
COMMENT ON COLUMN seal.made_at IS 'made | UTC | internal';
COMMENT ON COLUMN seal.valid_from IS 'in force from | UTC | public';
COMMENT ON COLUMN seal.valid_until IS 'in force until | UTC | public';
COMMENT ON COLUMN seal.revoked_by IS 'who revoked it | staff id | internal';
COMMENT ON COLUMN seal.revoked_at IS 'revoked | UTC | public';
COMMENT ON COLUMN seal.revoke_reason IS 'why it was revoked | text | internal';
COMMENT ON COLUMN seal.leaf IS 'log leaf of the making | leaf id | internal';

CREATE TABLE seal_use (
    seal_id uuid NOT NULL,
    id uuid NOT NULL,
    purpose text NOT NULL,
    about text NOT NULL,
    officer text NOT NULL,
    digest text NOT NULL,
    used_at timestamptz NOT NULL,
    leaf text NOT NULL,
    PRIMARY KEY (seal_id, id)
);
COMMENT ON TABLE seal_use IS 'Every use of a seal 用印记录; append only';
COMMENT ON COLUMN seal_use.seal_id IS 'seal | UUIDv7 | internal';
COMMENT ON COLUMN seal_use.id IS 'use | UUIDv7 | internal';
COMMENT ON COLUMN seal_use.purpose IS 'what for | text | internal';
COMMENT ON COLUMN seal_use.about IS 'opaque key of the thing sealed | case:… or credential:… | internal';
COMMENT ON COLUMN seal_use.officer IS 'who used it | staff id, or system | internal';
COMMENT ON COLUMN seal_use.digest IS 'document before sealing | sm3:base64url | internal';
COMMENT ON COLUMN seal_use.used_at IS 'used | UTC | internal';
COMMENT ON COLUMN seal_use.leaf IS 'log leaf | leaf id | internal';

CREATE TABLE seal_anchor (
    node text NOT NULL,
    fingerprint text NOT NULL,
    certificate bytea NOT NULL,
    not_after timestamptz NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (node, fingerprint)
);
COMMENT ON TABLE seal_anchor IS 'Seal makers of all nodes, told by letter 制章人证书';
COMMENT ON COLUMN seal_anchor.node IS 'node that vouches for the maker | node id | public';
COMMENT ON COLUMN seal_anchor.fingerprint IS 'SM3 of the certificate | sm3:base64url | public';
COMMENT ON COLUMN seal_anchor.certificate IS 'maker certificate | X.509 DER | public';
COMMENT ON COLUMN seal_anchor.not_after IS 'end of validity | UTC | public';
COMMENT ON COLUMN seal_anchor.told_at IS 'time of the letter | UTC | internal';

CREATE TABLE seal_revoked (
    node text NOT NULL,
    es_id text NOT NULL,
    revoked_at timestamptz NOT NULL,
    PRIMARY KEY (node, es_id)
);
COMMENT ON TABLE seal_revoked IS 'Revoked seals of all nodes, told by letter 已作废印章';
COMMENT ON COLUMN seal_revoked.node IS 'node of the seal | node id | public';
COMMENT ON COLUMN seal_revoked.es_id IS 'esID | text | public';
COMMENT ON COLUMN seal_revoked.revoked_at IS 'revoked | UTC | public';

-- ==== exchange 数据共享 ===================================================================================================

CREATE TABLE data_grant (
    resource text NOT NULL,
    id uuid NOT NULL,
    caller text NOT NULL,
    purpose text NOT NULL,
    fields text[] NOT NULL,
    quota_per_day integer NOT NULL CHECK (quota_per_day > 0),
    used_today integer NOT NULL DEFAULT 0,
    used_day date,
    starts_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('proposed', 'active', 'refused', 'ended')),
    reason text NOT NULL DEFAULT '',
    proposed_by text NOT NULL,
    approved_by text NOT NULL DEFAULT '',
    decided_at timestamptz,
    leaf text NOT NULL DEFAULT '',
    PRIMARY KEY (resource, id)
);
CREATE UNIQUE INDEX data_grant_one ON data_grant (resource, caller, purpose) WHERE state = 'active';
ALTER TABLE data_grant ADD CONSTRAINT data_grant_two_people CHECK (approved_by = '' OR approved_by <> proposed_by);
COMMENT ON TABLE data_grant IS '共享授权: who may call which resource, for what, how often, until when';
COMMENT ON COLUMN data_grant.resource IS 'resource | owner.name | internal';
COMMENT ON COLUMN data_grant.id IS 'grant | UUIDv7 | internal';
COMMENT ON COLUMN data_grant.caller IS 'node that may call | node id | internal';
COMMENT ON COLUMN data_grant.purpose IS 'purpose code | room.purpose | internal';
COMMENT ON COLUMN data_grant.fields IS 'fields given | names on the wire | internal';
COMMENT ON COLUMN data_grant.quota_per_day IS 'calls a day | number | internal';
COMMENT ON COLUMN data_grant.used_today IS 'calls on used_day | number | internal';
COMMENT ON COLUMN data_grant.used_day IS 'day the count is for | date, China time | internal';
COMMENT ON COLUMN data_grant.starts_at IS 'from | UTC | internal';
COMMENT ON COLUMN data_grant.until IS 'until | UTC | internal';
COMMENT ON COLUMN data_grant.state IS 'where it stands | word | internal';
COMMENT ON COLUMN data_grant.reason IS 'demand, or reason of a refusal | text | internal';
COMMENT ON COLUMN data_grant.proposed_by IS 'first person | staff id or seed | internal';
COMMENT ON COLUMN data_grant.approved_by IS 'second person | staff id or seed | internal';
COMMENT ON COLUMN data_grant.decided_at IS 'when decided | UTC | internal';
COMMENT ON COLUMN data_grant.leaf IS 'log leaf of the decision | leaf id | internal';

CREATE TABLE demo_company (
    code text NOT NULL,
    name text NOT NULL,
    division text NOT NULL,
    status text NOT NULL,
    capital_wan integer NOT NULL,
    registered_on date NOT NULL,
    PRIMARY KEY (code)
);
CREATE INDEX demo_company_name ON demo_company (name);
COMMENT ON TABLE demo_company IS '演示企业登记: invented companies of the demo register, never real ones';
COMMENT ON COLUMN demo_company.code IS 'credit code, invented | 统一社会信用代码 | internal';
COMMENT ON COLUMN demo_company.name IS 'name, invented | text | internal';
COMMENT ON COLUMN demo_company.division IS 'where registered | GB/T 2260 | internal';
COMMENT ON COLUMN demo_company.status IS '存续 or 注销 | word | internal';
COMMENT ON COLUMN demo_company.capital_wan IS 'registered capital | ten thousand yuan | internal';
COMMENT ON COLUMN demo_company.registered_on IS 'registered | date | internal';

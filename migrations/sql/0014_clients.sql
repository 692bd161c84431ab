-- identity 统一身份认证: clients of the OpenID provider that are no nodes, their keys, subjects, consents and refresh tokens.

CREATE TABLE client (
    id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('staff_tool','service_app','outside','native')),
    profile text NOT NULL CHECK (profile IN ('fapi2','plain')),
    name text NOT NULL,
    org text NOT NULL,
    division text NOT NULL,
    sector text NOT NULL,
    redirect_uris text[] NOT NULL DEFAULT '{}',
    post_logout_uris text[] NOT NULL DEFAULT '{}',
    backchannel_uri text NOT NULL DEFAULT '',
    scopes text[] NOT NULL,
    required text[] NOT NULL DEFAULT '{}',
    purpose text NOT NULL,
    keeps text NOT NULL,
    consent_days integer NOT NULL CHECK (consent_days BETWEEN 1 AND 365),
    id_alg text NOT NULL CHECK (id_alg IN ('Ed25519','ES256')),
    token_aud boolean NOT NULL DEFAULT false,
    grants jsonb NOT NULL DEFAULT '{}',
    pairwise_version smallint NOT NULL DEFAULT 1,
    app uuid,
    status text NOT NULL CHECK (status IN ('active','suspended','ended')),
    reason text NOT NULL DEFAULT '',
    proposed_by text NOT NULL,
    approved_by text NOT NULL,
    made_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (id),
    CHECK (proposed_by <> approved_by)
);
CREATE UNIQUE INDEX client_of_app ON client (app) WHERE app IS NOT NULL;
COMMENT ON TABLE client IS 'Client 接入的应用 of the OpenID provider that is no node (identity.md 5); made and changed by two members of staff';
COMMENT ON COLUMN client.id IS 'client_id | kind and 16 base32 characters | public';
COMMENT ON COLUMN client.kind IS 'kind | clients.toml | public';
COMMENT ON COLUMN client.profile IS 'protocol profile | fapi2, plain | public';
COMMENT ON COLUMN client.name IS 'registered name, shown to people | text | public';
COMMENT ON COLUMN client.org IS 'organisation that answers for it | 18-character code | public';
COMMENT ON COLUMN client.division IS 'division of that organisation | GB/T 2260 | public';
COMMENT ON COLUMN client.sector IS 'host that pairwise subjects are made for | host | public';
COMMENT ON COLUMN client.redirect_uris IS 'where answers may go, compared exactly | URLs | public';
COMMENT ON COLUMN client.post_logout_uris IS 'where a person may go after signing out | URLs | public';
COMMENT ON COLUMN client.backchannel_uri IS 'where logout tokens go, empty for none | URL | public';
COMMENT ON COLUMN client.scopes IS 'scopes it may ask | clients.toml | public';
COMMENT ON COLUMN client.required IS 'claims without which it cannot work; the others are optional | clients.toml | public';
COMMENT ON COLUMN client.purpose IS 'what for, in words a person reads | sentence | public';
COMMENT ON COLUMN client.keeps IS 'how long it keeps what it gets, in words | text | public';
COMMENT ON COLUMN client.consent_days IS 'how long a consent lasts | days | public';
COMMENT ON COLUMN client.id_alg IS 'algorithm of its ID tokens | JOSE name | public';
COMMENT ON COLUMN client.token_aud IS 'its assertions may name the token endpoint as audience (plain profile only) | boolean | internal';
COMMENT ON COLUMN client.grants IS 'grants for claims that need one: claim to number, basis, until | JSON | internal';
COMMENT ON COLUMN client.pairwise_version IS 'version of the key its subjects are made with | count | internal';
COMMENT ON COLUMN client.app IS 'service app it belongs to | UUIDv7 | internal';
COMMENT ON COLUMN client.status IS 'state | active, suspended, ended | public';
COMMENT ON COLUMN client.reason IS 'why it is suspended: app, or words of staff | text | internal';
COMMENT ON COLUMN client.proposed_by IS 'who proposed it | staff number or app | internal';
COMMENT ON COLUMN client.approved_by IS 'who approved it, another one | staff number or app | internal';
COMMENT ON COLUMN client.made_at IS 'when registered | UTC | internal';
COMMENT ON COLUMN client.changed_at IS 'last change | UTC | internal';

CREATE TABLE client_key (
    client text NOT NULL REFERENCES client (id),
    kid text NOT NULL,
    alg text NOT NULL CHECK (alg IN ('Ed25519','ES256')),
    jwk jsonb NOT NULL,
    added_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (client, kid)
);
COMMENT ON TABLE client_key IS 'Client key 应用公钥, by value: the provider fetches no address a client names (T-24)';
COMMENT ON COLUMN client_key.client IS 'whose | client_id | public';
COMMENT ON COLUMN client_key.kid IS 'key id the client writes | text | public';
COMMENT ON COLUMN client_key.alg IS 'the one algorithm of this key | JOSE name | public';
COMMENT ON COLUMN client_key.jwk IS 'public key | JWK, RFC 7517 | public';
COMMENT ON COLUMN client_key.added_at IS 'when added | UTC | internal';
COMMENT ON COLUMN client_key.ended_at IS 'when taken away | UTC | internal';

CREATE TABLE client_change (
    id uuid NOT NULL,
    client text NOT NULL,
    what text NOT NULL CHECK (what IN ('register','change','add_key','end_key','resume')),
    body jsonb NOT NULL,
    digest text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    decision text CHECK (decision IN ('approved','refused')),
    leaf text,
    PRIMARY KEY (id),
    CHECK (decided_by IS NULL OR decided_by <> proposed_by OR decision = 'refused')
);
CREATE INDEX client_change_open ON client_change (client, proposed_at) WHERE decided_at IS NULL;
COMMENT ON TABLE client_change IS 'Proposed change of a client 应用变更申请: another member of staff decides, on the digest they saw (identity.md 9)';
COMMENT ON COLUMN client_change.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN client_change.client IS 'which client; a new one has its id already | client_id | internal';
COMMENT ON COLUMN client_change.what IS 'kind of change | code | internal';
COMMENT ON COLUMN client_change.body IS 'what is proposed | JSON | internal';
COMMENT ON COLUMN client_change.digest IS 'digest of what is proposed | sm3:… | internal';
COMMENT ON COLUMN client_change.proposed_by IS 'who | staff number | internal';
COMMENT ON COLUMN client_change.proposed_at IS 'when | UTC | internal';
COMMENT ON COLUMN client_change.decided_by IS 'who decided | staff number | internal';
COMMENT ON COLUMN client_change.decided_at IS 'when decided | UTC | internal';
COMMENT ON COLUMN client_change.decision IS 'what was decided | code | internal';
COMMENT ON COLUMN client_change.leaf IS 'log leaf of the decision | leaf id | internal';

CREATE TABLE pairwise (
    subject text NOT NULL,
    sector text NOT NULL,
    version smallint NOT NULL,
    sub text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (subject, sector, version),
    UNIQUE (sub)
);
COMMENT ON TABLE pairwise IS 'Pairwise subject 应用专用标识: what a sector knows a person by; no two sectors can compare (identity.md 5)';
COMMENT ON COLUMN pairwise.subject IS 'who | identifier | personal';
COMMENT ON COLUMN pairwise.sector IS 'for which host | host | internal';
COMMENT ON COLUMN pairwise.version IS 'version of the key | count | internal';
COMMENT ON COLUMN pairwise.sub IS 'the subject given out | 26 base32 characters | personal';
COMMENT ON COLUMN pairwise.since IS 'first sign-in | UTC | internal';

CREATE TABLE session_client (
    subject text NOT NULL,
    session uuid NOT NULL,
    client text NOT NULL,
    sid text NOT NULL,
    sub text NOT NULL,
    last_at timestamptz NOT NULL,
    told_at timestamptz,
    PRIMARY KEY (subject, session, client),
    UNIQUE (sid)
);
CREATE INDEX session_client_untold ON session_client (session) WHERE told_at IS NULL;
COMMENT ON TABLE session_client IS 'Client signed in from a session 会话登录过的应用: to name the session to it, and to tell it the end (identity.md 6.5)';
COMMENT ON COLUMN session_client.subject IS 'whose session | identifier | personal';
COMMENT ON COLUMN session_client.session IS 'which session | UUIDv7 | internal';
COMMENT ON COLUMN session_client.client IS 'which client | client_id | internal';
COMMENT ON COLUMN session_client.sid IS 'the session as this client knows it | 26 base32 characters | internal';
COMMENT ON COLUMN session_client.sub IS 'the person as this client knows them | identifier | personal';
COMMENT ON COLUMN session_client.last_at IS 'last code given | UTC | internal';
COMMENT ON COLUMN session_client.told_at IS 'when the end was told, or given up | UTC | internal';

CREATE TABLE client_consent (
    subject text NOT NULL,
    client text NOT NULL,
    offered text[] NOT NULL,
    granted text[] NOT NULL,
    text_digest text NOT NULL,
    consent uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (subject, client)
);
COMMENT ON TABLE client_consent IS 'What a person was asked and gave a client 给应用的授权, last answer; the consent itself is a row of the consent room';
COMMENT ON COLUMN client_consent.subject IS 'who | identifier | personal';
COMMENT ON COLUMN client_consent.client IS 'to which client | client_id | internal';
COMMENT ON COLUMN client_consent.offered IS 'claims shown | clients.toml | internal';
COMMENT ON COLUMN client_consent.granted IS 'claims given | clients.toml | internal';
COMMENT ON COLUMN client_consent.text_digest IS 'digest of the purpose shown: another purpose asks again | sm3:… | internal';
COMMENT ON COLUMN client_consent.consent IS 'row of the consent room | UUIDv7 | internal';
COMMENT ON COLUMN client_consent.at IS 'when | UTC | internal';

CREATE TABLE oidc_refresh (
    subject text NOT NULL,
    family uuid NOT NULL,
    client text NOT NULL,
    session uuid NOT NULL,
    token_hash bytea NOT NULL,
    turn integer NOT NULL DEFAULT 0,
    turned_at timestamptz,
    dpop_jkt text NOT NULL,
    scope text NOT NULL,
    claims text[] NOT NULL,
    consent uuid,
    acr smallint NOT NULL,
    amr text[] NOT NULL,
    auth_time timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    reason text,
    PRIMARY KEY (subject, family),
    UNIQUE (family),
    UNIQUE (token_hash)
);
CREATE INDEX oidc_refresh_session ON oidc_refresh (session) WHERE revoked_at IS NULL;
COMMENT ON TABLE oidc_refresh IS 'Refresh token family 续期凭据: rotated for native apps, kept for confidential clients (identity.md 5)';
COMMENT ON COLUMN oidc_refresh.subject IS 'whose | identifier | personal';
COMMENT ON COLUMN oidc_refresh.family IS 'family id | UUIDv7 | internal';
COMMENT ON COLUMN oidc_refresh.client IS 'for which client | client_id | internal';
COMMENT ON COLUMN oidc_refresh.session IS 'from which session | UUIDv7 | internal';
COMMENT ON COLUMN oidc_refresh.token_hash IS 'SM3 of the token good now | 32 bytes | secret';
COMMENT ON COLUMN oidc_refresh.turn IS 'how often it was turned, native only | count | internal';
COMMENT ON COLUMN oidc_refresh.turned_at IS 'when the one before was used | UTC | internal';
COMMENT ON COLUMN oidc_refresh.dpop_jkt IS 'thumbprint of the proof key | base64url | internal';
COMMENT ON COLUMN oidc_refresh.scope IS 'granted | scopes | internal';
COMMENT ON COLUMN oidc_refresh.claims IS 'claims granted | clients.toml | internal';
COMMENT ON COLUMN oidc_refresh.consent IS 'consent it rests on | UUIDv7 | internal';
COMMENT ON COLUMN oidc_refresh.acr IS 'level at the sign-in | level | internal';
COMMENT ON COLUMN oidc_refresh.amr IS 'ways at the sign-in | codes of identity.md 3 | internal';
COMMENT ON COLUMN oidc_refresh.auth_time IS 'when the person signed in | UTC | internal';
COMMENT ON COLUMN oidc_refresh.started_at IS 'first given | UTC | internal';
COMMENT ON COLUMN oidc_refresh.used_at IS 'last used | UTC | internal';
COMMENT ON COLUMN oidc_refresh.expires_at IS 'end | UTC | internal';
COMMENT ON COLUMN oidc_refresh.revoked_at IS 'when ended early | UTC | internal';
COMMENT ON COLUMN oidc_refresh.reason IS 'why ended early | code | internal';

ALTER TABLE oidc_request ADD COLUMN pushed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE oidc_request ADD COLUMN turns smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN oidc_request.pushed_at IS 'when it was pushed: a fresh sign-in is one after this | UTC | internal';
COMMENT ON COLUMN oidc_request.turns IS 'how often the person was sent to sign in for it, against loops | count | internal';

ALTER TABLE oidc_code ADD COLUMN claims text[] NOT NULL DEFAULT '{}';
ALTER TABLE oidc_code ADD COLUMN id_claims text[] NOT NULL DEFAULT '{}';
ALTER TABLE oidc_code ADD COLUMN consent uuid;
ALTER TABLE oidc_code ADD COLUMN gave_jti text;
ALTER TABLE oidc_code ADD COLUMN gave_family uuid;
COMMENT ON COLUMN oidc_code.claims IS 'claims granted for userinfo | clients.toml | internal';
COMMENT ON COLUMN oidc_code.id_claims IS 'claims granted in the ID token | clients.toml | internal';
COMMENT ON COLUMN oidc_code.consent IS 'consent it rests on | UUIDv7 | internal';
COMMENT ON COLUMN oidc_code.gave_jti IS 'access token it gave, to revoke it when the code comes twice | text | internal';
COMMENT ON COLUMN oidc_code.gave_family IS 'refresh family it gave | UUIDv7 | internal';

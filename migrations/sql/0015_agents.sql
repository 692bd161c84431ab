-- identity 统一身份认证: organisations, mandates 授权, guardians (identity.md 2). Additive: the release before this one runs beside it.

CREATE TABLE org_entry (
    subject text NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    status text NOT NULL DEFAULT '存续',
    division text NOT NULL,
    registered_on date NOT NULL,
    legal_name bytea NOT NULL,
    legal_number bytea NOT NULL,
    legal_subject text,
    asked_at timestamptz,
    registered_by text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL,
    demo boolean NOT NULL,
    PRIMARY KEY (subject),
    UNIQUE (code)
);
CREATE INDEX org_entry_by_legal ON org_entry (legal_subject) WHERE legal_subject IS NOT NULL;
CREATE INDEX org_entry_unmatched ON org_entry (changed_at) WHERE legal_subject IS NULL;
COMMENT ON TABLE org_entry IS 'Register of organisations 法人登记 of this node (samr; demo twin), served by register.organisations';
COMMENT ON COLUMN org_entry.subject IS 'o1 and the code in lower case | identifier | internal';
COMMENT ON COLUMN org_entry.code IS '统一社会信用代码 | GB 32100 | public';
COMMENT ON COLUMN org_entry.name IS 'registered name | text | public';
COMMENT ON COLUMN org_entry.status IS 'state in the register | 存续, 注销, 吊销 | public';
COMMENT ON COLUMN org_entry.division IS 'place of registration | GB/T 2260 | public';
COMMENT ON COLUMN org_entry.registered_on IS 'day of registration | date | public';
COMMENT ON COLUMN org_entry.legal_name IS '法定代表人: name | sealed text | personal';
COMMENT ON COLUMN org_entry.legal_number IS '法定代表人: document number | sealed text | personal sensitive';
COMMENT ON COLUMN org_entry.legal_subject IS '法定代表人: pseudonym, null until the population register answered | identifier | personal';
COMMENT ON COLUMN org_entry.asked_at IS 'when the population register was last asked who that is | UTC | internal';
COMMENT ON COLUMN org_entry.registered_by IS 'node whose authority registered it | node id | internal';
COMMENT ON COLUMN org_entry.version IS 'version of the row | count | internal';
COMMENT ON COLUMN org_entry.changed_at IS 'when this version began | UTC | internal';
COMMENT ON COLUMN org_entry.demo IS 'invented organisation 演示 | boolean | internal';

CREATE TABLE organisation (
    subject text NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    status text NOT NULL,
    division text NOT NULL,
    version integer NOT NULL,
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (subject)
);
COMMENT ON TABLE organisation IS 'Organisation 企业和单位 as the register last told this node (identity.md 2)';
COMMENT ON COLUMN organisation.subject IS 'o1 and the code in lower case | identifier | internal';
COMMENT ON COLUMN organisation.code IS '统一社会信用代码 | GB 32100 | public';
COMMENT ON COLUMN organisation.name IS 'registered name | text | public';
COMMENT ON COLUMN organisation.status IS 'state in the register | 存续, 注销, 吊销 | public';
COMMENT ON COLUMN organisation.division IS 'place of registration | GB/T 2260 | public';
COMMENT ON COLUMN organisation.version IS 'version of the register''s row | count | internal';
COMMENT ON COLUMN organisation.checked_at IS 'when the register was last asked | UTC | internal';

CREATE TABLE guardian_entry (
    subject text NOT NULL,
    guardian_subject text NOT NULL,
    relation bytea NOT NULL,
    since date NOT NULL,
    ended_at timestamptz,
    ended_why text NOT NULL DEFAULT '',
    demo boolean NOT NULL,
    PRIMARY KEY (subject, guardian_subject)
);
CREATE INDEX guardian_entry_by_guardian ON guardian_entry (guardian_subject);
COMMENT ON TABLE guardian_entry IS 'Guardians 监护关系 in the population register (demo twin), served by register.guardians';
COMMENT ON COLUMN guardian_entry.subject IS 'the minor | identifier | personal';
COMMENT ON COLUMN guardian_entry.guardian_subject IS 'the guardian | identifier | personal';
COMMENT ON COLUMN guardian_entry.relation IS 'relation in words | sealed text | personal';
COMMENT ON COLUMN guardian_entry.since IS 'registered since | date | internal';
COMMENT ON COLUMN guardian_entry.ended_at IS 'ended or frozen by a court order | UTC | internal';
COMMENT ON COLUMN guardian_entry.ended_why IS 'why | code | internal';
COMMENT ON COLUMN guardian_entry.demo IS 'invented 演示 | boolean | internal';

CREATE TABLE mandate (
    grantor text NOT NULL,
    id uuid NOT NULL,
    agent text NOT NULL,
    basis text NOT NULL CHECK (basis IN ('legal_rep','org_agent','family','guardian','hall')),
    items text[] NOT NULL DEFAULT '{}',
    set_name text NOT NULL DEFAULT '',
    set_version integer NOT NULL DEFAULT 0,
    acts text[] NOT NULL,
    from_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    wait_until timestamptz,
    granted_acr smallint NOT NULL,
    granted_by_subject text NOT NULL DEFAULT '',
    granted_staff text NOT NULL DEFAULT '',
    granted_node text NOT NULL,
    agent_node text NOT NULL,
    state text NOT NULL CHECK (state IN ('arriving','offered','active','refused','lapsed','stopped','ended')),
    offered_until timestamptz NOT NULL,
    accepted_at timestamptz,
    over_at timestamptz,
    over_why text NOT NULL DEFAULT '',
    news_at timestamptz NOT NULL,
    reminded_at timestamptz,
    grantor_name bytea NOT NULL,
    agent_name bytea NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (grantor, id),
    UNIQUE (id)
);
CREATE INDEX mandate_by_agent ON mandate (agent, state);
CREATE UNIQUE INDEX mandate_by_law ON mandate (grantor, agent, basis) WHERE basis IN ('legal_rep','guardian') AND state = 'active';
CREATE INDEX mandate_ending ON mandate (until_at) WHERE state IN ('offered','active');
COMMENT ON TABLE mandate IS 'Mandate 授权: who may act for whom, in what, until when (identity.md 2); at the granting node and at the agent''s home';
COMMENT ON COLUMN mandate.grantor IS 'who is represented, n1… or o1… | identifier | personal';
COMMENT ON COLUMN mandate.id IS 'mandate, the same at both nodes | UUIDv7 | internal';
COMMENT ON COLUMN mandate.agent IS 'who acts | identifier | personal';
COMMENT ON COLUMN mandate.basis IS 'why | legal_rep, org_agent, family, guardian, hall | internal';
COMMENT ON COLUMN mandate.items IS 'task codes, or catalogue codes that end a task code; empty when the law itself gives the power | codes | internal';
COMMENT ON COLUMN mandate.set_name IS 'named set the items came from | name in mandates.toml | internal';
COMMENT ON COLUMN mandate.set_version IS 'version of that set, fixed at the grant | count | internal';
COMMENT ON COLUMN mandate.acts IS 'of view, draft, submit, pay, receive | codes | internal';
COMMENT ON COLUMN mandate.from_at IS 'good from | UTC | internal';
COMMENT ON COLUMN mandate.until_at IS 'good until | UTC | internal';
COMMENT ON COLUMN mandate.wait_until IS 'no submitting or paying before, null for none | UTC | internal';
COMMENT ON COLUMN mandate.granted_acr IS 'level of the session that granted it | level | internal';
COMMENT ON COLUMN mandate.granted_by_subject IS 'who granted it for an organisation, empty when the grantor did | identifier | personal';
COMMENT ON COLUMN mandate.granted_staff IS 'clerk who saw both persons, empty when none | staff id | internal';
COMMENT ON COLUMN mandate.granted_node IS 'node whose word it is: where it was granted, or the register | node id | internal';
COMMENT ON COLUMN mandate.agent_node IS 'home of the agent | node id | internal';
COMMENT ON COLUMN mandate.state IS 'where it stands | code | internal';
COMMENT ON COLUMN mandate.offered_until IS 'lapses unless accepted by then | UTC | internal';
COMMENT ON COLUMN mandate.accepted_at IS 'accepted by the agent | UTC | internal';
COMMENT ON COLUMN mandate.over_at IS 'refused, lapsed, stopped or ended | UTC | internal';
COMMENT ON COLUMN mandate.over_why IS 'why it is over | code | internal';
COMMENT ON COLUMN mandate.news_at IS 'when the node whose word it is last said that it holds | UTC | internal';
COMMENT ON COLUMN mandate.reminded_at IS 'told that it ends soon | UTC | internal';
COMMENT ON COLUMN mandate.grantor_name IS 'name of who is represented | sealed text | personal';
COMMENT ON COLUMN mandate.agent_name IS 'name of who acts | sealed text | personal';
COMMENT ON COLUMN mandate.made_at IS 'when the row came to be here | UTC | internal';

CREATE TABLE mandate_act (
    grantor text NOT NULL,
    id uuid NOT NULL,
    mandate uuid NOT NULL,
    agent text NOT NULL,
    act text NOT NULL,
    about text NOT NULL,
    what bytea NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (grantor, id)
);
CREATE INDEX mandate_act_of ON mandate_act (mandate, at);
COMMENT ON TABLE mandate_act IS 'Acts done for another 代办记录: one a message to the person represented';
COMMENT ON COLUMN mandate_act.grantor IS 'for whom | identifier | personal';
COMMENT ON COLUMN mandate_act.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN mandate_act.mandate IS 'under which mandate | UUIDv7 | internal';
COMMENT ON COLUMN mandate_act.agent IS 'who acted | identifier | personal';
COMMENT ON COLUMN mandate_act.act IS 'what was done | code | internal';
COMMENT ON COLUMN mandate_act.about IS 'thing it was done to | case:<id> and the like | internal';
COMMENT ON COLUMN mandate_act.what IS 'the thing in words | sealed text | personal';
COMMENT ON COLUMN mandate_act.at IS 'when | UTC | internal';

CREATE TABLE mandate_alert (
    agent text NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('many','fast')),
    grantors integer NOT NULL,
    at timestamptz NOT NULL,
    seen_at timestamptz,
    seen_by text NOT NULL DEFAULT '',
    PRIMARY KEY (agent, id)
);
CREATE UNIQUE INDEX mandate_alert_open ON mandate_alert (agent, kind) WHERE seen_at IS NULL;
COMMENT ON TABLE mandate_alert IS 'Agents for unusually many people 代办异常提醒: for staff to look at, never a block (T-86)';
COMMENT ON COLUMN mandate_alert.agent IS 'who acts | identifier | personal';
COMMENT ON COLUMN mandate_alert.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN mandate_alert.kind IS 'many grantors in all, or many new ones | code | internal';
COMMENT ON COLUMN mandate_alert.grantors IS 'how many | count | internal';
COMMENT ON COLUMN mandate_alert.at IS 'when | UTC | internal';
COMMENT ON COLUMN mandate_alert.seen_at IS 'looked at by staff | UTC | internal';
COMMENT ON COLUMN mandate_alert.seen_by IS 'who looked | staff id | internal';

CREATE TABLE guardian_ask (
    subject text NOT NULL,
    id uuid NOT NULL,
    guardian_subject text NOT NULL,
    about text NOT NULL,
    what bytea NOT NULL,
    asked_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    answered_at timestamptz,
    answer text CHECK (answer IN ('yes','no')),
    child_node text NOT NULL,
    guardian_node text NOT NULL,
    child_name bytea NOT NULL,
    PRIMARY KEY (subject, id),
    UNIQUE (id)
);
CREATE INDEX guardian_ask_by_guardian ON guardian_ask (guardian_subject) WHERE answered_at IS NULL;
CREATE UNIQUE INDEX guardian_ask_once ON guardian_ask (subject, about, guardian_subject);
COMMENT ON TABLE guardian_ask IS 'Asking a guardian 请监护人确认: a level-3 act of somebody of 14 to 17 (identity.md 2)';
COMMENT ON COLUMN guardian_ask.subject IS 'the minor | identifier | personal';
COMMENT ON COLUMN guardian_ask.id IS 'ask, the same at both nodes | UUIDv7 | internal';
COMMENT ON COLUMN guardian_ask.guardian_subject IS 'the guardian | identifier | personal';
COMMENT ON COLUMN guardian_ask.about IS 'what it is asked for | draft:<id> | internal';
COMMENT ON COLUMN guardian_ask.what IS 'the act in words | sealed text | personal';
COMMENT ON COLUMN guardian_ask.asked_at IS 'when | UTC | internal';
COMMENT ON COLUMN guardian_ask.until_at IS 'answer wanted and good until | UTC | internal';
COMMENT ON COLUMN guardian_ask.answered_at IS 'when answered | UTC | internal';
COMMENT ON COLUMN guardian_ask.answer IS 'yes or no | code | internal';
COMMENT ON COLUMN guardian_ask.child_node IS 'node that asked | node id | internal';
COMMENT ON COLUMN guardian_ask.guardian_node IS 'home of the guardian | node id | internal';
COMMENT ON COLUMN guardian_ask.child_name IS 'name of the minor | sealed text | personal';

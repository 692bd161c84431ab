-- exchange 数据共享, second storey: the catalogue with versions, demands, held grants, corrections, message logs, alarms.
-- Runs beside the old program: columns have defaults, nothing is renamed.

CREATE TABLE data_resource (
    id text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    owner text NOT NULL,
    state text NOT NULL CHECK (state IN ('draft', 'active', 'suspended', 'withdrawn', 'replaced', 'refused')),
    definition jsonb NOT NULL,
    reason text NOT NULL DEFAULT '',
    proposed_by text NOT NULL,
    approved_by text NOT NULL DEFAULT '',
    stopped_by text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL,
    rev integer NOT NULL DEFAULT 1,
    leaf text NOT NULL DEFAULT '',
    PRIMARY KEY (id, version),
    CONSTRAINT data_resource_two_people CHECK (approved_by = '' OR approved_by <> proposed_by)
);
CREATE UNIQUE INDEX data_resource_one ON data_resource (id) WHERE state IN ('active', 'suspended', 'withdrawn');
CREATE INDEX data_resource_owner ON data_resource (owner, id);
COMMENT ON TABLE data_resource IS '数据资源目录: every version of every resource this node knows, its own and those told by letter';
COMMENT ON COLUMN data_resource.id IS 'resource | owner.name | public';
COMMENT ON COLUMN data_resource.version IS 'version of the definition | number | public';
COMMENT ON COLUMN data_resource.owner IS 'node that answers for it | node id | public';
COMMENT ON COLUMN data_resource.state IS 'where it stands | word | public';
COMMENT ON COLUMN data_resource.definition IS 'attributes of the catalogue | Resource as JSON | public';
COMMENT ON COLUMN data_resource.reason IS 'why it was changed or stopped | text | public';
COMMENT ON COLUMN data_resource.proposed_by IS 'first person, empty at other nodes | staff id or seed | internal';
COMMENT ON COLUMN data_resource.approved_by IS 'second person, empty at other nodes | staff id or seed | internal';
COMMENT ON COLUMN data_resource.stopped_by IS 'who suspended it; another one resumes | staff id | internal';
COMMENT ON COLUMN data_resource.changed_at IS 'when the state changed | UTC | public';
COMMENT ON COLUMN data_resource.rev IS 'change number within the version, so that an old letter changes nothing | number | internal';
COMMENT ON COLUMN data_resource.leaf IS 'log leaf of the change | leaf id | internal';

CREATE TABLE data_capacity (
    resource text NOT NULL,
    day date NOT NULL,
    used integer NOT NULL CHECK (used >= 0),
    PRIMARY KEY (resource)
);
COMMENT ON TABLE data_capacity IS '资源总量: calls a day over all grants of one resource, where its register bears only so many';
COMMENT ON COLUMN data_capacity.resource IS 'resource | owner.name | internal';
COMMENT ON COLUMN data_capacity.day IS 'day the count is for | date, China time | internal';
COMMENT ON COLUMN data_capacity.used IS 'calls of that day | number | internal';

ALTER TABLE data_grant ADD COLUMN demand uuid;
ALTER TABLE data_grant ADD COLUMN quota_per_hour integer CHECK (quota_per_hour > 0);
ALTER TABLE data_grant ADD COLUMN hour timestamptz;
ALTER TABLE data_grant ADD COLUMN used_hour integer NOT NULL DEFAULT 0;
ALTER TABLE data_grant ADD COLUMN warned_days integer;
COMMENT ON COLUMN data_grant.demand IS 'demand it answers, null = on our own initiative | UUIDv7 | internal';
COMMENT ON COLUMN data_grant.quota_per_hour IS 'calls an hour, null = the day only | number | internal';
COMMENT ON COLUMN data_grant.hour IS 'hour the count is for | UTC, full hour | internal';
COMMENT ON COLUMN data_grant.used_hour IS 'calls in that hour | number | internal';
COMMENT ON COLUMN data_grant.warned_days IS 'last warning before the end, null = none | days left | internal';

CREATE TABLE data_demand (
    id uuid NOT NULL,
    side text NOT NULL CHECK (side IN ('asker', 'owner', 'judge')),
    asker text NOT NULL,
    owner text NOT NULL,
    resource text NOT NULL,
    fields text[] NOT NULL,
    purpose text NOT NULL,
    purpose_words text NOT NULL,
    item text NOT NULL DEFAULT '',
    basis text NOT NULL,
    volume_per_day integer NOT NULL CHECK (volume_per_day > 0),
    until date NOT NULL,
    state text NOT NULL CHECK (state IN ('sent', 'reviewed', 'granted', 'refused', 'disputed', 'upheld', 'withdrawn')),
    due_on date NOT NULL,
    asked_by text NOT NULL DEFAULT '',
    reviewed_by text NOT NULL DEFAULT '',
    verdict text NOT NULL DEFAULT '' CHECK (verdict IN ('', 'grant', 'refuse')),
    given_fields text[] NOT NULL DEFAULT '{}',
    given_per_day integer,
    given_until date,
    reason_code text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    dispute text NOT NULL DEFAULT '',
    dispute_by text NOT NULL DEFAULT '',
    judgement text NOT NULL DEFAULT '',
    grant_id uuid,
    round integer NOT NULL DEFAULT 1,
    late_told boolean NOT NULL DEFAULT false,
    sent_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    leaf text NOT NULL DEFAULT '',
    PRIMARY KEY (id, side)
);
CREATE INDEX data_demand_open ON data_demand (side, state, due_on);
COMMENT ON TABLE data_demand IS '共享需求: one node asks another for a resource; a row at the asker, at the owner, and at the hub when disputed';
COMMENT ON COLUMN data_demand.id IS 'demand, the same everywhere | UUIDv7 | internal';
COMMENT ON COLUMN data_demand.side IS 'whose row this is | asker, owner, judge | internal';
COMMENT ON COLUMN data_demand.asker IS 'node that asks | node id | internal';
COMMENT ON COLUMN data_demand.owner IS 'node that owns the resource | node id | internal';
COMMENT ON COLUMN data_demand.resource IS 'resource asked for | owner.name | internal';
COMMENT ON COLUMN data_demand.fields IS 'fields asked for | names on the wire | internal';
COMMENT ON COLUMN data_demand.purpose IS 'purpose code | room.purpose | internal';
COMMENT ON COLUMN data_demand.purpose_words IS 'what for | text | internal';
COMMENT ON COLUMN data_demand.item IS 'item it serves | task code or empty | internal';
COMMENT ON COLUMN data_demand.basis IS 'article of law or rule | text | internal';
COMMENT ON COLUMN data_demand.volume_per_day IS 'calls a day needed | number | internal';
COMMENT ON COLUMN data_demand.until IS 'wanted until | date | internal';
COMMENT ON COLUMN data_demand.state IS 'where it stands | word | internal';
COMMENT ON COLUMN data_demand.due_on IS 'last day of whoever has to act | date | internal';
COMMENT ON COLUMN data_demand.asked_by IS 'who asked, at the asker only | staff id | internal';
COMMENT ON COLUMN data_demand.reviewed_by IS 'first person of the owner | staff id | internal';
COMMENT ON COLUMN data_demand.verdict IS 'what the first person proposes | grant, refuse | internal';
COMMENT ON COLUMN data_demand.given_fields IS 'fields proposed or given | names on the wire | internal';
COMMENT ON COLUMN data_demand.given_per_day IS 'calls a day proposed or given | number | internal';
COMMENT ON COLUMN data_demand.given_until IS 'end proposed or given | date | internal';
COMMENT ON COLUMN data_demand.reason_code IS 'ground of a refusal | code of terms.toml | internal';
COMMENT ON COLUMN data_demand.reason IS 'reason in words | text | internal';
COMMENT ON COLUMN data_demand.dispute IS 'what the asker says against the refusal | text | internal';
COMMENT ON COLUMN data_demand.dispute_by IS 'who disputed, at the asker only | staff id | internal';
COMMENT ON COLUMN data_demand.judgement IS 'what the data administration decided | text | internal';
COMMENT ON COLUMN data_demand.grant_id IS 'grant that came of it | UUIDv7 | internal';
COMMENT ON COLUMN data_demand.round IS 'how often the owner has decided it | number | internal';
COMMENT ON COLUMN data_demand.late_told IS 'an alarm was raised for being late | yes or no | internal';
COMMENT ON COLUMN data_demand.sent_at IS 'when sent | UTC | internal';
COMMENT ON COLUMN data_demand.changed_at IS 'last change | UTC | internal';
COMMENT ON COLUMN data_demand.leaf IS 'log leaf of the last change here | leaf id | internal';

CREATE TABLE data_grant_held (
    owner text NOT NULL,
    id uuid NOT NULL,
    resource text NOT NULL,
    purpose text NOT NULL,
    fields text[] NOT NULL,
    quota_per_day integer NOT NULL,
    until timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'ended')),
    reason text NOT NULL DEFAULT '',
    days_left integer,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (owner, id)
);
COMMENT ON TABLE data_grant_held IS '得到的授权: grants that other nodes gave this one, as they told by letter';
COMMENT ON COLUMN data_grant_held.owner IS 'node that gave it | node id | internal';
COMMENT ON COLUMN data_grant_held.id IS 'grant at the owner | UUIDv7 | internal';
COMMENT ON COLUMN data_grant_held.resource IS 'resource | owner.name | internal';
COMMENT ON COLUMN data_grant_held.purpose IS 'purpose code | room.purpose | internal';
COMMENT ON COLUMN data_grant_held.fields IS 'fields given | names on the wire | internal';
COMMENT ON COLUMN data_grant_held.quota_per_day IS 'calls a day | number | internal';
COMMENT ON COLUMN data_grant_held.until IS 'until | UTC | internal';
COMMENT ON COLUMN data_grant_held.state IS 'where it stands | active, ended | internal';
COMMENT ON COLUMN data_grant_held.reason IS 'why it ended | text | internal';
COMMENT ON COLUMN data_grant_held.days_left IS 'days left at the last warning | number | internal';
COMMENT ON COLUMN data_grant_held.told_at IS 'time of the last letter | UTC | internal';

CREATE TABLE data_correction (
    subject text NOT NULL,
    id uuid NOT NULL,
    side text NOT NULL CHECK (side IN ('asker', 'owner')),
    peer text NOT NULL,
    resource text NOT NULL,
    field text NOT NULL,
    line uuid,
    claimed bytea NOT NULL,
    grounds bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('sent', 'checked', 'corrected', 'kept')),
    due_on date NOT NULL,
    asked_by text NOT NULL DEFAULT '',
    checked_by text NOT NULL DEFAULT '',
    verdict text NOT NULL DEFAULT '' CHECK (verdict IN ('', 'corrected', 'kept')),
    answer text NOT NULL DEFAULT '',
    late_told boolean NOT NULL DEFAULT false,
    sent_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    leaf text NOT NULL DEFAULT '',
    PRIMARY KEY (subject, id, side)
);
CREATE INDEX data_correction_open ON data_correction (side, state, due_on);
CREATE INDEX data_correction_id ON data_correction (id);
COMMENT ON TABLE data_correction IS '校核纠错: a user of data tells its owner that a value is wrong; a row at both';
COMMENT ON COLUMN data_correction.subject IS 'whose value | subject | personal';
COMMENT ON COLUMN data_correction.id IS 'request, the same at both ends | UUIDv7 | internal';
COMMENT ON COLUMN data_correction.side IS 'whose row this is | asker, owner | internal';
COMMENT ON COLUMN data_correction.peer IS 'the other end | node id | internal';
COMMENT ON COLUMN data_correction.resource IS 'resource | owner.name | internal';
COMMENT ON COLUMN data_correction.field IS 'field | name on the wire | internal';
COMMENT ON COLUMN data_correction.line IS 'ledger line in which the value came | UUIDv7 | internal';
COMMENT ON COLUMN data_correction.claimed IS 'what it should be | sealed text | personal sensitive';
COMMENT ON COLUMN data_correction.grounds IS 'how one knows | sealed text | personal';
COMMENT ON COLUMN data_correction.state IS 'where it stands | word | internal';
COMMENT ON COLUMN data_correction.due_on IS 'last day to answer | date | internal';
COMMENT ON COLUMN data_correction.asked_by IS 'who asked, at the asker only | staff id | internal';
COMMENT ON COLUMN data_correction.checked_by IS 'first person of the owner | staff id | internal';
COMMENT ON COLUMN data_correction.verdict IS 'what the first person found | corrected, kept | internal';
COMMENT ON COLUMN data_correction.answer IS 'answer in words, naming nobody | text | internal';
COMMENT ON COLUMN data_correction.late_told IS 'an alarm was raised for being late | yes or no | internal';
COMMENT ON COLUMN data_correction.sent_at IS 'when sent | UTC | internal';
COMMENT ON COLUMN data_correction.changed_at IS 'last change | UTC | internal';
COMMENT ON COLUMN data_correction.leaf IS 'log leaf of the last change here | leaf id | internal';

CREATE TABLE exchange_message (
    id uuid NOT NULL,
    side text NOT NULL CHECK (side IN ('owner', 'caller')),
    peer text NOT NULL,
    resource text NOT NULL,
    purpose text NOT NULL,
    grant_id uuid,
    fields text[] NOT NULL,
    request text NOT NULL,
    answer text NOT NULL DEFAULT '',
    outcome text NOT NULL,
    at timestamptz NOT NULL,
    ms integer,
    PRIMARY KEY (id, side)
);
CREATE INDEX exchange_message_page ON exchange_message (peer, side, at, id);
CREATE INDEX exchange_message_at ON exchange_message (at DESC);
COMMENT ON TABLE exchange_message IS '交换日志: one row for each call at the caller and at the owner; digests only, nobody is named';
COMMENT ON COLUMN exchange_message.id IS 'call, the same at both ends | UUIDv7 | internal';
COMMENT ON COLUMN exchange_message.side IS 'which end this row is | owner, caller | internal';
COMMENT ON COLUMN exchange_message.peer IS 'the other end | node id | internal';
COMMENT ON COLUMN exchange_message.resource IS 'resource asked | owner.name | internal';
COMMENT ON COLUMN exchange_message.purpose IS 'purpose code | room.purpose | internal';
COMMENT ON COLUMN exchange_message.grant_id IS 'grant it was answered under, at the owner | UUIDv7 | internal';
COMMENT ON COLUMN exchange_message.fields IS 'fields given; asked, when none was | names on the wire | internal';
COMMENT ON COLUMN exchange_message.request IS 'digest of the question | sm3:base64url | internal';
COMMENT ON COLUMN exchange_message.answer IS 'digest of the answer, empty when none | sm3:base64url | internal';
COMMENT ON COLUMN exchange_message.outcome IS 'asked (still out), given, or why not | word | internal';
COMMENT ON COLUMN exchange_message.at IS 'when | UTC | internal';
COMMENT ON COLUMN exchange_message.ms IS 'how long it took | milliseconds | internal';

CREATE TABLE exchange_checked (
    peer text NOT NULL,
    until timestamptz NOT NULL,
    calls integer NOT NULL,
    lost integer NOT NULL,
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (peer)
);
COMMENT ON TABLE exchange_checked IS '对账: up to when the message logs of both ends have been compared, for each other node';
COMMENT ON COLUMN exchange_checked.peer IS 'the other end | node id | internal';
COMMENT ON COLUMN exchange_checked.until IS 'compared up to here | UTC | internal';
COMMENT ON COLUMN exchange_checked.calls IS 'calls compared in all | number | internal';
COMMENT ON COLUMN exchange_checked.lost IS 'answers that were sent and did not arrive, in all | number | internal';
COMMENT ON COLUMN exchange_checked.checked_at IS 'last comparison | UTC | internal';

CREATE TABLE exchange_alarm (
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('missing_here', 'missing_there', 'differs', 'breadth', 'late', 'register')),
    peer text NOT NULL,
    about text NOT NULL,
    count integer NOT NULL DEFAULT 1,
    raised_at timestamptz NOT NULL,
    closed_at timestamptz,
    closed_by text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX exchange_alarm_once ON exchange_alarm (kind, peer, about) WHERE closed_at IS NULL;
COMMENT ON TABLE exchange_alarm IS '交换告警: what a person must look at; closed with a note, never deleted';
COMMENT ON COLUMN exchange_alarm.id IS 'alarm | UUIDv7 | internal';
COMMENT ON COLUMN exchange_alarm.kind IS 'sort of alarm | word | internal';
COMMENT ON COLUMN exchange_alarm.peer IS 'other node concerned | node id | internal';
COMMENT ON COLUMN exchange_alarm.about IS 'call, demand or purpose concerned | id or code | internal';
COMMENT ON COLUMN exchange_alarm.count IS 'how many | number | internal';
COMMENT ON COLUMN exchange_alarm.raised_at IS 'raised | UTC | internal';
COMMENT ON COLUMN exchange_alarm.closed_at IS 'closed | UTC | internal';
COMMENT ON COLUMN exchange_alarm.closed_by IS 'who closed it | staff id | internal';
COMMENT ON COLUMN exchange_alarm.note IS 'what was found out | text | internal';

CREATE TABLE consent_withdrawal_told (
    subject text NOT NULL,
    consent_id uuid NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (subject, consent_id)
);
COMMENT ON TABLE consent_withdrawal_told IS '撤回已告知: withdrawals whose giver has been told by letter';
COMMENT ON COLUMN consent_withdrawal_told.subject IS 'who withdrew | subject | personal';
COMMENT ON COLUMN consent_withdrawal_told.consent_id IS 'which consent | UUIDv7 | internal';
COMMENT ON COLUMN consent_withdrawal_told.told_at IS 'when the letter was written | UTC | internal';

CREATE TABLE data_consent_ended (
    consent_id uuid NOT NULL,
    receiver text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (consent_id, receiver)
);
COMMENT ON TABLE data_consent_ended IS '已撤回的同意: consents that a receiver told were withdrawn; no call may rest on them again';
COMMENT ON COLUMN data_consent_ended.consent_id IS 'consent | UUIDv7 | internal';
COMMENT ON COLUMN data_consent_ended.receiver IS 'node that held it | node id | internal';
COMMENT ON COLUMN data_consent_ended.at IS 'withdrawn | UTC | internal';

CREATE TABLE demo_record (
    subject text NOT NULL,
    resource text NOT NULL,
    id uuid NOT NULL,
    body bytea NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (subject, resource)
);
COMMENT ON TABLE demo_record IS '演示登记: invented records of the demo registers, made up when first asked about, corrected afterwards';
COMMENT ON COLUMN demo_record.subject IS 'whose record | subject | personal';
COMMENT ON COLUMN demo_record.resource IS 'resource | owner.name | internal';
COMMENT ON COLUMN demo_record.id IS 'record, what its seal is bound to | UUIDv7 | internal';
COMMENT ON COLUMN demo_record.body IS 'values by field | sealed JSON | personal sensitive';
COMMENT ON COLUMN demo_record.made_at IS 'as of | UTC | internal';

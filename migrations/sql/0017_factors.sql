-- identity 统一身份认证: more ways to sign in, limits, recovery, ends of sessions (identity.md 3, 4, 7, 8).
-- Everything here is additive: the release before this one runs beside it.

ALTER TABLE session ADD COLUMN acting_for text;
ALTER TABLE session ADD COLUMN mandate uuid;
ALTER TABLE session ADD COLUMN elder boolean NOT NULL DEFAULT false;
ALTER TABLE session ADD COLUMN extended smallint NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN locked_at timestamptz;
ALTER TABLE session ADD COLUMN away boolean NOT NULL DEFAULT false;
ALTER TABLE session ADD COLUMN authenticator uuid;
ALTER TABLE session ADD COLUMN previous_acr smallint;
ALTER TABLE session ADD COLUMN new_device boolean NOT NULL DEFAULT false;
CREATE INDEX session_revoked ON session (revoked_at) WHERE revoked_at IS NOT NULL;
COMMENT ON COLUMN session.acting_for IS 'whom the person acts for now, null for oneself | identifier | personal';
COMMENT ON COLUMN session.mandate IS 'mandate that allows it | UUIDv7 | internal';
COMMENT ON COLUMN session.elder IS 'limits doubled because of elder mode | boolean | internal';
COMMENT ON COLUMN session.extended IS 'how often 继续用 put off the absolute end | count | internal';
COMMENT ON COLUMN session.locked_at IS 'waiting for the gesture of this device, or for staff to sign in again | UTC | internal';
COMMENT ON COLUMN session.away IS 'opened by a passkey of this node while the home was away: level 1 | boolean | internal';
COMMENT ON COLUMN session.authenticator IS 'passkey used in this session: it rises with a face check or a hall (T-95) | UUIDv7 | internal';
COMMENT ON COLUMN session.previous_acr IS 'what the value before is worth while it is taken | level | internal';
COMMENT ON COLUMN session.new_device IS 'opened on a device not seen before with this account | boolean | internal';

ALTER TABLE account ADD COLUMN restricted_until timestamptz;
ALTER TABLE account ADD COLUMN recovered_until timestamptz;
ALTER TABLE account ADD COLUMN phone_used_at timestamptz;
COMMENT ON COLUMN account.restricted_until IS 'end of the restriction after a report of theft | UTC | internal';
COMMENT ON COLUMN account.recovered_until IS 'until when a recovered account makes no mandate and no move | UTC | internal';
COMMENT ON COLUMN account.phone_used_at IS 'when a code to this phone last signed in | UTC | internal';

ALTER TABLE authenticator ADD COLUMN device uuid;
COMMENT ON COLUMN authenticator.device IS 'device on which it was bound | UUIDv7 | personal';
ALTER TABLE device ADD COLUMN ended_at timestamptz;
COMMENT ON COLUMN device.ended_at IS 'when the person removed it: unknown again | UTC | internal';
ALTER TABLE login_tx ADD COLUMN digits smallint NOT NULL DEFAULT 6;
COMMENT ON COLUMN login_tx.digits IS 'digits of the code sent | count | internal';

CREATE TABLE scan_login (
    id_hash bytea NOT NULL,
    cookie_hash bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting','agreed','refused','wrong','used')),
    pick smallint NOT NULL,
    offered smallint[] NOT NULL,
    next text NOT NULL,
    city bytea NOT NULL,
    browser bytea NOT NULL,
    device_known boolean NOT NULL DEFAULT false,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    subject text,
    session uuid,
    acr smallint,
    PRIMARY KEY (id_hash)
);
CREATE UNIQUE INDEX scan_login_cookie ON scan_login (cookie_hash);
COMMENT ON TABLE scan_login IS 'Scan to log in 扫码登录 with the number match: 60 s, one use (identity.md 3)';
COMMENT ON COLUMN scan_login.id_hash IS 'SM3 of the value in the code | 32 bytes | secret';
COMMENT ON COLUMN scan_login.cookie_hash IS 'SM3 of the transaction cookie of the computer | 32 bytes | secret';
COMMENT ON COLUMN scan_login.state IS 'where it stands | code | internal';
COMMENT ON COLUMN scan_login.pick IS 'number the computer shows | 10 to 99 | secret';
COMMENT ON COLUMN scan_login.offered IS 'numbers the phone offers | 10 to 99 | internal';
COMMENT ON COLUMN scan_login.next IS 'where the computer goes afterwards, a path of this node | path | internal';
COMMENT ON COLUMN scan_login.city IS 'city of the computer by its address | sealed text | personal';
COMMENT ON COLUMN scan_login.browser IS 'browser of the computer in words | sealed text | personal';
COMMENT ON COLUMN scan_login.device_known IS 'the computer brought a device cookie | boolean | internal';
COMMENT ON COLUMN scan_login.made_at IS 'when the code was drawn | UTC | internal';
COMMENT ON COLUMN scan_login.expires_at IS 'end, 60 seconds | UTC | internal';
COMMENT ON COLUMN scan_login.subject IS 'who agreed or refused on the phone | identifier | personal';
COMMENT ON COLUMN scan_login.session IS 'session of the phone | UUIDv7 | internal';
COMMENT ON COLUMN scan_login.acr IS 'level handed over, at most 2 | level | internal';

CREATE TABLE device_lock (
    subject text NOT NULL,
    id uuid NOT NULL,
    device uuid NOT NULL,
    public_key bytea NOT NULL,
    salt bytea NOT NULL,
    gesture_hash bytea NOT NULL,
    lock_after integer NOT NULL,
    tries smallint NOT NULL DEFAULT 0,
    made_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (subject, id)
);
CREATE UNIQUE INDEX device_lock_device ON device_lock (subject, device) WHERE ended_at IS NULL;
COMMENT ON TABLE device_lock IS 'Gesture 手势 that unlocks the live session of one device; gives no level (identity.md 3)';
COMMENT ON COLUMN device_lock.subject IS 'whose | identifier | personal';
COMMENT ON COLUMN device_lock.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN device_lock.device IS 'device it belongs to | UUIDv7 | personal';
COMMENT ON COLUMN device_lock.public_key IS 'key of the device, P-256, private half never leaves it | SPKI DER | internal';
COMMENT ON COLUMN device_lock.salt IS 'salt of the gesture | 16 bytes | secret';
COMMENT ON COLUMN device_lock.gesture_hash IS 'Argon2id of the pattern and the salt | 32 bytes | secret';
COMMENT ON COLUMN device_lock.lock_after IS 'idle time after which the session waits for the gesture | seconds | internal';
COMMENT ON COLUMN device_lock.tries IS 'wrong gestures in a row | count | internal';
COMMENT ON COLUMN device_lock.made_at IS 'when it was set | UTC | internal';
COMMENT ON COLUMN device_lock.ended_at IS 'when it was taken away | UTC | internal';

CREATE TABLE voice_print (
    subject text NOT NULL,
    id uuid NOT NULL,
    provider text NOT NULL,
    reference bytea NOT NULL,
    agreed_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (subject, id)
);
COMMENT ON TABLE voice_print IS 'Voice print 声纹: only a reference; the template stays at the provider, by separate consent (identity.md 3)';
COMMENT ON COLUMN voice_print.subject IS 'whose | identifier | personal';
COMMENT ON COLUMN voice_print.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN voice_print.provider IS 'who keeps the template | name | internal';
COMMENT ON COLUMN voice_print.reference IS 'reference at the provider | sealed text | personal sensitive';
COMMENT ON COLUMN voice_print.agreed_at IS 'when the separate consent was given | UTC | internal';
COMMENT ON COLUMN voice_print.ended_at IS 'when it was withdrawn | UTC | internal';

CREATE TABLE login_pause (
    key bytea NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (key)
);
COMMENT ON TABLE login_pause IS 'Pauses 暂停 of codes on unknown devices after many wrong ones; known devices never wait (identity.md 8)';
COMMENT ON COLUMN login_pause.key IS 'HMAC-SM3 of the account | 16 bytes | personal';
COMMENT ON COLUMN login_pause.until IS 'end of the pause | UTC | internal';

CREATE TABLE code_count (
    hour timestamptz NOT NULL,
    entered integer NOT NULL DEFAULT 0,
    wrong integer NOT NULL DEFAULT 0,
    PRIMARY KEY (hour)
);
COMMENT ON TABLE code_count IS 'Codes typed an hour 每小时验证码, to see spread guessing (identity.md 8)';
COMMENT ON COLUMN code_count.hour IS 'hour | UTC | internal';
COMMENT ON COLUMN code_count.entered IS 'codes typed | count | internal';
COMMENT ON COLUMN code_count.wrong IS 'of them wrong | count | internal';

CREATE TABLE login_plan (
    id uuid NOT NULL,
    plan text NOT NULL,
    since timestamptz NOT NULL,
    by_whom text NOT NULL,
    why text NOT NULL,
    ended_at timestamptz,
    ended_by text,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX login_plan_on ON login_plan (plan) WHERE ended_at IS NULL;
COMMENT ON TABLE login_plan IS 'Emergency plans of signing in 登录应急预案 that are or were on (R-203, identity.md 8)';
COMMENT ON COLUMN login_plan.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN login_plan.plan IS 'plan of factors.toml | code | internal';
COMMENT ON COLUMN login_plan.since IS 'switched on | UTC | internal';
COMMENT ON COLUMN login_plan.by_whom IS 'staff id, or clock | code | internal';
COMMENT ON COLUMN login_plan.why IS 'reason in words | text | internal';
COMMENT ON COLUMN login_plan.ended_at IS 'switched off | UTC | internal';
COMMENT ON COLUMN login_plan.ended_by IS 'staff id, or clock | code | internal';

CREATE TABLE phone_change (
    subject text NOT NULL,
    id uuid NOT NULL,
    cookie_hash bytea NOT NULL,
    session uuid,
    phone bytea NOT NULL,
    code_hash bytea,
    old_code_hash bytea,
    code_until timestamptz,
    tries smallint NOT NULL DEFAULT 0,
    shown text[] NOT NULL DEFAULT '{}',
    state text NOT NULL CHECK (state IN ('open','waiting','done','stopped','dead')),
    stop_hash bytea,
    made_at timestamptz NOT NULL,
    due_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (subject, id),
    UNIQUE (cookie_hash)
);
CREATE UNIQUE INDEX phone_change_stop ON phone_change (stop_hash) WHERE stop_hash IS NOT NULL;
CREATE INDEX phone_change_due ON phone_change (due_at) WHERE state = 'waiting';
COMMENT ON TABLE phone_change IS 'New phone number 换手机号: two of passkey, old number and face, or 72 hours with notices (identity.md 8)';
COMMENT ON COLUMN phone_change.subject IS 'whose; an invented local one when nobody has the number typed | identifier | personal';
COMMENT ON COLUMN phone_change.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN phone_change.cookie_hash IS 'SM3 of the transaction cookie | 32 bytes | secret';
COMMENT ON COLUMN phone_change.session IS 'session it was begun in, null when nobody is signed in | UUIDv7 | internal';
COMMENT ON COLUMN phone_change.phone IS 'new mobile number | sealed text, 11 digits | personal';
COMMENT ON COLUMN phone_change.code_hash IS 'HMAC-SM3 of row and code to the new number | 32 bytes | secret';
COMMENT ON COLUMN phone_change.old_code_hash IS 'HMAC-SM3 of row and code to the old number | 32 bytes | secret';
COMMENT ON COLUMN phone_change.code_until IS 'end of the codes | UTC | internal';
COMMENT ON COLUMN phone_change.tries IS 'wrong codes | count | internal';
COMMENT ON COLUMN phone_change.shown IS 'what was shown so far: new, old, passkey, face | codes | internal';
COMMENT ON COLUMN phone_change.state IS 'where it stands | code | internal';
COMMENT ON COLUMN phone_change.stop_hash IS 'SM3 of the word that stops it, sent to the old channels | 32 bytes | secret';
COMMENT ON COLUMN phone_change.made_at IS 'when it began | UTC | internal';
COMMENT ON COLUMN phone_change.due_at IS 'when the waiting ends | UTC | internal';
COMMENT ON COLUMN phone_change.ended_at IS 'when it was done or stopped | UTC | internal';

CREATE TABLE hall_recovery (
    subject text NOT NULL,
    id uuid NOT NULL,
    hall text NOT NULL,
    proposed_by text NOT NULL,
    confirmed_by text,
    confirmed_how text,
    word_hash bytea,
    at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    tries smallint NOT NULL DEFAULT 0,
    used_at timestamptz,
    PRIMARY KEY (subject, id),
    CHECK (confirmed_by IS NULL OR confirmed_how = 'face' OR confirmed_by <> proposed_by)
);
COMMENT ON TABLE hall_recovery IS 'Recovery at a hall 大厅找回: document and live face, or two clerks; an 8-digit word for 15 minutes (identity.md 8)';
COMMENT ON COLUMN hall_recovery.subject IS 'whose account | identifier | personal';
COMMENT ON COLUMN hall_recovery.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN hall_recovery.hall IS 'hall in words | text | internal';
COMMENT ON COLUMN hall_recovery.proposed_by IS 'clerk who saw the document | identifier | internal';
COMMENT ON COLUMN hall_recovery.confirmed_by IS 'second clerk, or the first one with a live face | identifier | internal';
COMMENT ON COLUMN hall_recovery.confirmed_how IS 'face or clerk | code | internal';
COMMENT ON COLUMN hall_recovery.word_hash IS 'HMAC-SM3 of row and the 8-digit word | 32 bytes | secret';
COMMENT ON COLUMN hall_recovery.at IS 'when | UTC | internal';
COMMENT ON COLUMN hall_recovery.expires_at IS 'end, 15 minutes after the word was made | UTC | internal';
COMMENT ON COLUMN hall_recovery.tries IS 'wrong words | count | internal';
COMMENT ON COLUMN hall_recovery.used_at IS 'used | UTC | internal';

CREATE TABLE theft_report (
    subject text NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    way text NOT NULL,
    lifted_at timestamptz,
    lifted_by text,
    PRIMARY KEY (subject, id)
);
COMMENT ON TABLE theft_report IS 'Report of theft 手机丢了: the account is restricted for 24 hours (identity.md 8)';
COMMENT ON COLUMN theft_report.subject IS 'whose account | identifier | personal';
COMMENT ON COLUMN theft_report.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN theft_report.at IS 'when | UTC | internal';
COMMENT ON COLUMN theft_report.until IS 'end | UTC | internal';
COMMENT ON COLUMN theft_report.way IS 'page, devices or hotline | code | internal';
COMMENT ON COLUMN theft_report.lifted_at IS 'lifted before its end | UTC | internal';
COMMENT ON COLUMN theft_report.lifted_by IS 'passkey or hall | code | internal';

CREATE TABLE demo_provider (
    name text NOT NULL,
    way text NOT NULL CHECK (way IN ('works','fails','slow')),
    PRIMARY KEY (name)
);
COMMENT ON TABLE demo_provider IS 'How the demo twins of outside systems behave now 演示: works, fails or slow';
COMMENT ON COLUMN demo_provider.name IS 'provider | code | internal';
COMMENT ON COLUMN demo_provider.way IS 'how it behaves | code | internal';

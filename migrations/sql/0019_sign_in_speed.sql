-- identity 统一身份认证: what a sign-in asks in one statement instead of several. Additive: the release before runs beside it.

ALTER TABLE login_tx ADD COLUMN bi_phone bytea;
ALTER TABLE login_tx ADD COLUMN pause_key bytea;
COMMENT ON COLUMN login_tx.bi_phone IS 'blind index of the phone the code goes to | 16 bytes HMAC-SM3 | personal';
COMMENT ON COLUMN login_tx.pause_key IS 'key of the pause of this account for unknown devices, null when none applies | 16 bytes HMAC-SM3 | personal';

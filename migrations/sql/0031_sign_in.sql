-- 登录 at its full rate: what is looked for among very many rows has an index, and a row that every sign-in changes stays on its page.

CREATE INDEX login_tx_by_cookie ON login_tx (cookie_hash);
CREATE INDEX account_by_proof ON account (proof_at);
ALTER TABLE account SET (fillfactor = 85);

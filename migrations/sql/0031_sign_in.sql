-- 登录 at its full rate: what the clocks look for among very many accounts has an index.

CREATE INDEX account_by_proof ON account (proof_at);

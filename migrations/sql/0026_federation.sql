-- 节点互联 completed: restores and epochs (federation.md 6), snapshots (7), two persons for what is grave (3, 6.2), CRL (R-801).

CREATE TABLE node_recovery (
  id uuid PRIMARY KEY,
  why text NOT NULL CHECK (why IN ('operator', 'database', 'diverged')),
  begun_at timestamptz NOT NULL DEFAULT now(),
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  last_at bigint,
  answered jsonb NOT NULL DEFAULT '{}',
  highest bigint NOT NULL DEFAULT 0,
  decided_by text[] NOT NULL DEFAULT '{}',
  opened bigint,
  ended_at timestamptz
);
CREATE UNIQUE INDEX node_recovery_one ON node_recovery ((true)) WHERE ended_at IS NULL;
COMMENT ON TABLE node_recovery IS '恢复: this node''s database went back in time; its own letters come home, then a new epoch opens (federation.md 6.2)';
COMMENT ON COLUMN node_recovery.id IS 'id | UUIDv7 | internal';
COMMENT ON COLUMN node_recovery.why IS 'how it was known | operator,database,diverged | internal';
COMMENT ON COLUMN node_recovery.begun_at IS 'when | UTC | internal';
COMMENT ON COLUMN node_recovery.epoch IS 'epoch of the log as it was found | number | internal';
COMMENT ON COLUMN node_recovery.seq IS 'end of that log | number | internal';
COMMENT ON COLUMN node_recovery.last_at IS 'last own letter in the backup: begin of the span of doubt | Unix ms or null | internal';
COMMENT ON COLUMN node_recovery.answered IS 'who has given back what it held, and how many letters | {"node": count} | internal';
COMMENT ON COLUMN node_recovery.highest IS 'highest epoch of this node that anybody named | number | internal';
COMMENT ON COLUMN node_recovery.decided_by IS 'two officers who opened the doors before everybody had answered | staff ids | internal';
COMMENT ON COLUMN node_recovery.opened IS 'the epoch it opened | number or null | internal';
COMMENT ON COLUMN node_recovery.ended_at IS 'back to work since | UTC or null | internal';

-- a node restored twice closes two of its epochs with one new one
ALTER TABLE epoch_letter DROP CONSTRAINT epoch_letter_pkey;
ALTER TABLE epoch_letter ADD PRIMARY KEY (origin, previous, epoch);

ALTER TABLE letter_returned ADD COLUMN state text NOT NULL DEFAULT 'kept';
ALTER TABLE letter_returned ADD COLUMN error text;
ALTER TABLE letter_returned ADD COLUMN tried_at timestamptz;
ALTER TABLE letter_returned ADD COLUMN settled_at timestamptz;
ALTER TABLE letter_returned ADD COLUMN settled_by text;
CREATE INDEX letter_returned_open ON letter_returned (epoch, seq) WHERE state IN ('kept', 'waiting', 'conflict', 'by_hand');
COMMENT ON COLUMN letter_returned.state IS 'what became of its fact here | kept,known,reinstated,resent,waiting,conflict,by_hand,settled | internal';
COMMENT ON COLUMN letter_returned.error IS 'why it waits or contradicts: a code, never a text | word or null | internal';
COMMENT ON COLUMN letter_returned.tried_at IS 'last try to put the fact back | UTC or null | internal';
COMMENT ON COLUMN letter_returned.settled_at IS 'when a person closed it | UTC or null | internal';
COMMENT ON COLUMN letter_returned.settled_by IS 'who closed it | staff id or null | internal';

CREATE TABLE letter_to_return (
  origin text NOT NULL,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  id uuid NOT NULL,
  "to" text NOT NULL,
  head bytea NOT NULL,
  kid text NOT NULL,
  sig text NOT NULL,
  body bytea,
  set_aside_at timestamptz NOT NULL DEFAULT now(),
  sent_at timestamptz,
  acknowledged_at timestamptz,
  PRIMARY KEY (origin, epoch, seq, id)
);
CREATE INDEX letter_to_return_open ON letter_to_return (origin) WHERE acknowledged_at IS NULL;
COMMENT ON TABLE letter_to_return IS '待退回的信件: held here beyond the history that a restored origin declared; sent back until it says it has them';
COMMENT ON COLUMN letter_to_return.origin IS 'who wrote | node id | internal';
COMMENT ON COLUMN letter_to_return.epoch IS 'epoch | number | internal';
COMMENT ON COLUMN letter_to_return.seq IS 'number in the history that does not count any more | number | internal';
COMMENT ON COLUMN letter_to_return.id IS 'letter id | uuid | internal';
COMMENT ON COLUMN letter_to_return."to" IS 'stream | node id or * | internal';
COMMENT ON COLUMN letter_to_return.head IS 'signed head | JCS | internal';
COMMENT ON COLUMN letter_to_return.kid IS 'key that signed | node/name | internal';
COMMENT ON COLUMN letter_to_return.sig IS 'signature over head | b64 of 64 bytes | internal';
COMMENT ON COLUMN letter_to_return.body IS 'wire body, encrypted for its reader unless open; null when compacted | JSON | personal';
COMMENT ON COLUMN letter_to_return.set_aside_at IS 'when | UTC | internal';
COMMENT ON COLUMN letter_to_return.sent_at IS 'last try | UTC or null | internal';
COMMENT ON COLUMN letter_to_return.acknowledged_at IS 'when the origin said that it has it | UTC or null | internal';

CREATE TABLE node_proposal (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('revoke_key', 'node_status', 'open_doors')),
  about text NOT NULL,
  value text NOT NULL DEFAULT '',
  reason text NOT NULL,
  asked_by text NOT NULL,
  asked_at timestamptz NOT NULL DEFAULT now(),
  decided_by text,
  decided_at timestamptz,
  agreed boolean,
  CHECK (decided_by IS NULL OR NOT agreed OR decided_by <> asked_by)
);
COMMENT ON TABLE node_proposal IS '两人决定的互联事项: revoking a key, changing a node''s status, opening the doors before a recovery is complete';
COMMENT ON COLUMN node_proposal.id IS 'id | UUIDv7 | internal';
COMMENT ON COLUMN node_proposal.kind IS 'what | revoke_key,node_status,open_doors | internal';
COMMENT ON COLUMN node_proposal.about IS 'key id, node id or recovery | text | internal';
COMMENT ON COLUMN node_proposal.value IS 'new status, empty otherwise | word | internal';
COMMENT ON COLUMN node_proposal.reason IS 'why | Chinese, no person | internal';
COMMENT ON COLUMN node_proposal.asked_by IS 'first person | staff id | internal';
COMMENT ON COLUMN node_proposal.asked_at IS 'when | UTC | internal';
COMMENT ON COLUMN node_proposal.decided_by IS 'second person, or the one who withdrew it | staff id or null | internal';
COMMENT ON COLUMN node_proposal.decided_at IS 'when | UTC or null | internal';
COMMENT ON COLUMN node_proposal.agreed IS 'whether it was done | boolean or null | internal';

CREATE TABLE node_snapshot (
  origin text PRIMARY KEY,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  at bigint NOT NULL,
  signed bytea NOT NULL
);
COMMENT ON TABLE node_snapshot IS '快照: the newest signed list of an origin''s current facts for everybody, for a new or long-lost node (federation.md 7)';
COMMENT ON COLUMN node_snapshot.origin IS 'whose facts | node id | internal';
COMMENT ON COLUMN node_snapshot.epoch IS 'epoch of its log | number | internal';
COMMENT ON COLUMN node_snapshot.seq IS 'a reader who has loaded it goes on after this number | number | internal';
COMMENT ON COLUMN node_snapshot.at IS 'when it was taken | Unix ms | internal';
COMMENT ON COLUMN node_snapshot.signed IS 'the snapshot with its signature, as served | JSON | internal';

CREATE TABLE node_snapshot_part (
  origin text NOT NULL REFERENCES node_snapshot ON DELETE CASCADE,
  digest text NOT NULL,
  kind text NOT NULL,
  content bytea NOT NULL,
  PRIMARY KEY (origin, digest)
);
COMMENT ON TABLE node_snapshot_part IS '快照的一部分: JSON lines of letters to everybody, at most 64 MiB';
COMMENT ON COLUMN node_snapshot_part.origin IS 'whose facts | node id | internal';
COMMENT ON COLUMN node_snapshot_part.digest IS 'digest of content | sm3:b64 | internal';
COMMENT ON COLUMN node_snapshot_part.kind IS 'kind of the letters | domain.fact | internal';
COMMENT ON COLUMN node_snapshot_part.content IS 'letters, one a line, open to everybody | JSON lines | internal';

CREATE TABLE retention_run (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  counts jsonb NOT NULL,
  leaf uuid
);
CREATE INDEX retention_run_name ON retention_run (name, at DESC);
COMMENT ON TABLE retention_run IS '清理记录: each run of a retention job with what it removed (privacy.md 4)';
COMMENT ON COLUMN retention_run.id IS 'id | UUIDv7 | internal';
COMMENT ON COLUMN retention_run.name IS 'which job | room.job | internal';
COMMENT ON COLUMN retention_run.at IS 'when | UTC | internal';
COMMENT ON COLUMN retention_run.counts IS 'what was removed, by store | {"store": count} | internal';
COMMENT ON COLUMN retention_run.leaf IS 'leaf of the log that says so, when something was removed | uuid or null | internal';

CREATE TABLE node_crl (
  number bigint PRIMARY KEY,
  der bytea NOT NULL,
  this_update bigint NOT NULL,
  next_update bigint NOT NULL,
  count int NOT NULL
);
COMMENT ON TABLE node_crl IS '证书撤销列表 (hub): what software that does not read the directory asks; issued with each revocation and each week';
COMMENT ON COLUMN node_crl.number IS 'CRL number, only rises | number | public';
COMMENT ON COLUMN node_crl.der IS 'the list, signed by the root | DER | public';
COMMENT ON COLUMN node_crl.this_update IS 'when issued | Unix ms | public';
COMMENT ON COLUMN node_crl.next_update IS 'when the next one is due | Unix ms | public';
COMMENT ON COLUMN node_crl.count IS 'how many certificates it names | count | public';

CREATE TABLE key_rotation (
  group_name text NOT NULL,
  version int NOT NULL,
  begun_at timestamptz NOT NULL DEFAULT now(),
  rows_done bigint NOT NULL DEFAULT 0,
  rows_failed bigint NOT NULL DEFAULT 0,
  ended_at timestamptz,
  PRIMARY KEY (group_name, version)
);
COMMENT ON TABLE key_rotation IS '数据密钥轮换: each turn of a key group and how many rows were sealed anew; what is left is found by the version in front of each value';
COMMENT ON COLUMN key_rotation.group_name IS 'key group | identity,sensitive,case,contact,staff | internal';
COMMENT ON COLUMN key_rotation.version IS 'the version that rows are sealed under | number | internal';
COMMENT ON COLUMN key_rotation.begun_at IS 'when | UTC | internal';
COMMENT ON COLUMN key_rotation.rows_done IS 'rows sealed anew | count | internal';
COMMENT ON COLUMN key_rotation.rows_failed IS 'rows that did not open and were left as they are | count | internal';
COMMENT ON COLUMN key_rotation.ended_at IS 'when no row was left under an older version | UTC or null | internal';

-- the data-key rotation seals the same words anew under a newer key; nothing else of a line changes
CREATE OR REPLACE FUNCTION case_history_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('tongban.retention', true) = 'on' THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' AND current_setting('tongban.follow', true) = 'on'
       AND to_jsonb(NEW) - 'subject' = to_jsonb(OLD) - 'subject' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND current_setting('tongban.resealing', true) = 'on'
       AND to_jsonb(NEW) - 'shown' - 'opinion' = to_jsonb(OLD) - 'shown' - 'opinion'
       AND octet_length(NEW.shown) IS NOT DISTINCT FROM octet_length(OLD.shown)
       AND octet_length(NEW.opinion) IS NOT DISTINCT FROM octet_length(OLD.opinion) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'append-only: %', TG_TABLE_NAME USING ERRCODE = 'raise_exception';
END $$;
COMMENT ON FUNCTION case_history_refuse_change() IS 'History only grows; a changed pseudonym takes its lines along, a data-key rotation seals the same words anew';

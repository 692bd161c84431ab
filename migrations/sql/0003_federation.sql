-- 节点互联: directory, enrolment, calls, letters. federation.md 2-7.

-- ---- directory -----------------------------------------------------------------------------------------------

CREATE TABLE directory_version (
  version bigint PRIMARY KEY,
  signed bytea NOT NULL,
  digest text NOT NULL,
  trusted bytea NOT NULL,
  issued_at bigint NOT NULL,
  not_after bigint NOT NULL,
  source text NOT NULL,
  accepted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE directory_version IS '节点目录: every directory version this node accepted; the highest counts';
COMMENT ON COLUMN directory_version.version IS 'version, only rises | max(previous+1, Unix s) | public';
COMMENT ON COLUMN directory_version.signed IS 'the directory with its signature, byte for byte as served | JSON | public';
COMMENT ON COLUMN directory_version.digest IS 'digest of JCS(directory) | sm3:b64 | public';
COMMENT ON COLUMN directory_version.trusted IS 'the directory as this node trusts it, keys without continuity left out | JSON | public';
COMMENT ON COLUMN directory_version.issued_at IS 'when the hub issued it | Unix ms | public';
COMMENT ON COLUMN directory_version.not_after IS 'past this the node is in stale trust | Unix ms | public';
COMMENT ON COLUMN directory_version.source IS 'who served it | node id | internal';
COMMENT ON COLUMN directory_version.accepted_at IS 'when it was accepted here | UTC | internal';

CREATE TABLE directory_anchor (
  fingerprint text PRIMARY KEY,
  cert bytea NOT NULL,
  not_after bigint NOT NULL,
  since_version bigint NOT NULL,
  counts_from bigint NOT NULL,
  how text NOT NULL
);
COMMENT ON TABLE directory_anchor IS '信任锚: hub roots this node holds; a new one counts from the next version and 24 h later';
COMMENT ON COLUMN directory_anchor.fingerprint IS 'SM3 of the DER certificate | sm3:b64 | public';
COMMENT ON COLUMN directory_anchor.cert IS 'root certificate | DER | public';
COMMENT ON COLUMN directory_anchor.not_after IS 'end of validity | Unix ms | public';
COMMENT ON COLUMN directory_anchor.since_version IS 'directory version that first named it, 0 when pinned by hand | version | public';
COMMENT ON COLUMN directory_anchor.counts_from IS 'from when a signer may chain to it | Unix ms | public';
COMMENT ON COLUMN directory_anchor.how IS 'pinned by an operator or listed by a directory | pinned,listed | internal';

CREATE TABLE node_key (
  kid text PRIMARY KEY,
  node text NOT NULL,
  use text NOT NULL CHECK (use IN ('sign', 'encrypt')),
  cert bytea NOT NULL,
  spki_fingerprint text NOT NULL,
  how text NOT NULL,
  since_version bigint NOT NULL,
  retired_at bigint
);
COMMENT ON TABLE node_key IS '已确认的节点密钥: keys this node took, with the reason; a changed key needs continuity or an operator';
COMMENT ON COLUMN node_key.kid IS 'key id, never used again | node/name | public';
COMMENT ON COLUMN node_key.node IS 'owner | node id | public';
COMMENT ON COLUMN node_key.use IS 'what the key does | sign,encrypt | public';
COMMENT ON COLUMN node_key.cert IS 'certificate | DER | public';
COMMENT ON COLUMN node_key.spki_fingerprint IS 'SM3 of the SubjectPublicKeyInfo | sm3:b64 | public';
COMMENT ON COLUMN node_key.how IS 'why it was taken | first,continuity,operator | internal';
COMMENT ON COLUMN node_key.since_version IS 'directory version that brought it | version | public';
COMMENT ON COLUMN node_key.retired_at IS 'when a directory first listed it as retired | Unix ms or null | public';

CREATE TABLE node_trust (
  node text NOT NULL,
  fingerprint text NOT NULL,
  by_staff text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node, fingerprint)
);
COMMENT ON TABLE node_trust IS '人工确认的密钥: an operator compared a new key by telephone (tongban node trust)';
COMMENT ON COLUMN node_trust.node IS 'owner of the key | node id | internal';
COMMENT ON COLUMN node_trust.fingerprint IS 'SM3 of the new SubjectPublicKeyInfo | sm3:b64 | internal';
COMMENT ON COLUMN node_trust.by_staff IS 'who confirmed | staff id | internal';
COMMENT ON COLUMN node_trust.at IS 'when | UTC | internal';

CREATE TABLE key_revocation (
  kid text PRIMARY KEY,
  at bigint NOT NULL,
  reason text NOT NULL,
  signed bytea NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE key_revocation IS '密钥自行撤销: revocations signed by the key itself, kept and passed on';
COMMENT ON COLUMN key_revocation.kid IS 'the revoked key | node/name | public';
COMMENT ON COLUMN key_revocation.at IS 'from then it signs nothing | Unix ms | public';
COMMENT ON COLUMN key_revocation.reason IS 'given reason | word | public';
COMMENT ON COLUMN key_revocation.signed IS 'the revocation as received | JSON | public';
COMMENT ON COLUMN key_revocation.received_at IS 'when it came | UTC | internal';

CREATE TABLE federation_alarm (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  node text NOT NULL,
  dedupe text NOT NULL UNIQUE,
  sentence text NOT NULL,
  evidence bytea NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  resolved_at timestamptz,
  resolved_by text
);
COMMENT ON TABLE federation_alarm IS '互联告警: what a person must look at, with both sides as evidence';
COMMENT ON COLUMN federation_alarm.id IS 'id | UUIDv7 | internal';
COMMENT ON COLUMN federation_alarm.kind IS 'what happened | directory_fork,key_without_continuity,letter_fork,letter_gap,… | internal';
COMMENT ON COLUMN federation_alarm.node IS 'about whom | node id | internal';
COMMENT ON COLUMN federation_alarm.dedupe IS 'the same trouble raises one alarm | text | internal';
COMMENT ON COLUMN federation_alarm.sentence IS 'a sentence for the operator | Chinese | internal';
COMMENT ON COLUMN federation_alarm.evidence IS 'both sides as received, heads only | JSON | internal';
COMMENT ON COLUMN federation_alarm.at IS 'first seen | UTC | internal';
COMMENT ON COLUMN federation_alarm.resolved_at IS 'when an operator closed it | UTC or null | internal';
COMMENT ON COLUMN federation_alarm.resolved_by IS 'who closed it | staff id or null | internal';

-- ---- enrolment -----------------------------------------------------------------------------------------------

CREATE TABLE node_invitation (
  id uuid PRIMARY KEY,
  node text NOT NULL,
  name text NOT NULL,
  role text NOT NULL,
  divisions text[] NOT NULL,
  organisation text NOT NULL,
  direct boolean NOT NULL,
  relay boolean NOT NULL,
  code_index bytea NOT NULL,
  code_sealed bytea,
  invited_by text NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now(),
  expires bigint NOT NULL,
  wrong_proofs int NOT NULL DEFAULT 0,
  spent_at timestamptz
);
COMMENT ON TABLE node_invitation IS '入网邀请 (hub): one use, 72 h, five wrong proofs kill it';
COMMENT ON COLUMN node_invitation.id IS 'id, derived from the code | UUIDv8 | internal';
COMMENT ON COLUMN node_invitation.node IS 'the node id it will have | node id | public';
COMMENT ON COLUMN node_invitation.name IS 'its name | Chinese | public';
COMMENT ON COLUMN node_invitation.role IS 'its role | hub,ministry,province | public';
COMMENT ON COLUMN node_invitation.divisions IS 'division prefixes | GB/T 2260 prefixes | public';
COMMENT ON COLUMN node_invitation.organisation IS 'credit code of the body | GB 32100, 18 | public';
COMMENT ON COLUMN node_invitation.direct IS 'others may pull from it | boolean | public';
COMMENT ON COLUMN node_invitation.relay IS 'it reads every stream | boolean | public';
COMMENT ON COLUMN node_invitation.code_index IS 'HMAC-SM3(pepper, code) | 32 bytes | secret';
COMMENT ON COLUMN node_invitation.code_sealed IS 'the code under the node''s field key, needed to check the proof; null once spent | sealed | secret';
COMMENT ON COLUMN node_invitation.invited_by IS 'first officer | staff id | internal';
COMMENT ON COLUMN node_invitation.made_at IS 'when | UTC | internal';
COMMENT ON COLUMN node_invitation.expires IS 'end of its life | Unix ms | internal';
COMMENT ON COLUMN node_invitation.wrong_proofs IS 'wrong proofs so far | count | internal';
COMMENT ON COLUMN node_invitation.spent_at IS 'when the code was used | UTC or null | internal';

CREATE TABLE node_enrolment (
  id uuid PRIMARY KEY,
  invitation uuid NOT NULL UNIQUE REFERENCES node_invitation,
  node text NOT NULL,
  csr_sign bytea NOT NULL,
  csr_enc bytea NOT NULL,
  kids text[] NOT NULL,
  nonce bytea NOT NULL,
  base_urls text[] NOT NULL,
  connect text,
  software text NOT NULL,
  digits text NOT NULL,
  answer bytea NOT NULL,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'refused', 'approved', 'active')),
  asked_at timestamptz NOT NULL DEFAULT now(),
  decided_by text,
  decided_at timestamptz,
  reason text,
  cert_sign bytea,
  cert_enc bytea
);
COMMENT ON TABLE node_enrolment IS '入网申请 (hub): the candidate''s keys and the second officer''s decision';
COMMENT ON COLUMN node_enrolment.id IS 'id | UUIDv7 | internal';
COMMENT ON COLUMN node_enrolment.invitation IS 'the invitation spent | uuid | internal';
COMMENT ON COLUMN node_enrolment.node IS 'candidate | node id | public';
COMMENT ON COLUMN node_enrolment.csr_sign IS 'request for the signing key | DER PKCS#10 | public';
COMMENT ON COLUMN node_enrolment.csr_enc IS 'request for the encryption key | DER PKCS#10 | public';
COMMENT ON COLUMN node_enrolment.kids IS 'ids of the signing and the encryption key | node/name | public';
COMMENT ON COLUMN node_enrolment.nonce IS 'nonce of the candidate | 16 bytes | internal';
COMMENT ON COLUMN node_enrolment.base_urls IS 'where it answers | URLs | public';
COMMENT ON COLUMN node_enrolment.connect IS 'where the http client connects (demo) | host:port or null | public';
COMMENT ON COLUMN node_enrolment.software IS 'what it runs | text | internal';
COMMENT ON COLUMN node_enrolment.digits IS 'eight groups both officers compare | digits | internal';
COMMENT ON COLUMN node_enrolment.answer IS 'the answer given, repeated on a repeat | JSON | internal';
COMMENT ON COLUMN node_enrolment.status IS 'state | pending,refused,approved,active | internal';
COMMENT ON COLUMN node_enrolment.asked_at IS 'when it asked | UTC | internal';
COMMENT ON COLUMN node_enrolment.decided_by IS 'second officer, never the inviter | staff id or null | internal';
COMMENT ON COLUMN node_enrolment.decided_at IS 'when | UTC or null | internal';
COMMENT ON COLUMN node_enrolment.reason IS 'why refused | Chinese or null | internal';
COMMENT ON COLUMN node_enrolment.cert_sign IS 'issued signing certificate | DER or null | public';
COMMENT ON COLUMN node_enrolment.cert_enc IS 'issued encryption certificate | DER or null | public';

CREATE TABLE own_enrolment (
  one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
  hub_url text NOT NULL,
  hub_connect text,
  enrolment uuid,
  request bytea NOT NULL,
  root bytea,
  asked_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE own_enrolment IS '本节点的入网申请 (candidate): where it asked, so that a restart goes on';
COMMENT ON COLUMN own_enrolment.one_row IS 'one row | true | internal';
COMMENT ON COLUMN own_enrolment.hub_url IS 'the hub | URL | internal';
COMMENT ON COLUMN own_enrolment.hub_connect IS 'where the http client connects | host:port or null | internal';
COMMENT ON COLUMN own_enrolment.enrolment IS 'the hub''s id of it | uuid or null | internal';
COMMENT ON COLUMN own_enrolment.request IS 'the request as posted, repeated as it is | JSON | internal';
COMMENT ON COLUMN own_enrolment.root IS 'the hub root, checked against the fingerprint | DER or null | public';
COMMENT ON COLUMN own_enrolment.asked_at IS 'when | UTC | internal';

-- ---- calls ---------------------------------------------------------------------------------------------------

CREATE UNLOGGED TABLE call_nonce (
  peer text NOT NULL,
  nonce text NOT NULL,
  expires bigint NOT NULL,
  PRIMARY KEY (peer, nonce)
);
CREATE INDEX call_nonce_expires ON call_nonce (expires);
COMMENT ON TABLE call_nonce IS '防重放: nonces of calls, until expires + 60 s; lost in a crash, hence call_nonce_birth';
COMMENT ON COLUMN call_nonce.peer IS 'caller, empty for the row that tells the table''s birth | node id | internal';
COMMENT ON COLUMN call_nonce.nonce IS 'nonce | b64 | internal';
COMMENT ON COLUMN call_nonce.expires IS 'expires of the signature; for the birth row the birth | Unix s | internal';

CREATE TABLE call_answer (
  peer text NOT NULL,
  service text NOT NULL,
  key uuid NOT NULL,
  body_digest text NOT NULL,
  status int,
  answer bytea,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (peer, service, key)
);
CREATE INDEX call_answer_at ON call_answer (at);
COMMENT ON TABLE call_answer IS '调用结果 (idempotency): written in the transaction of the effect, kept 7 days';
COMMENT ON COLUMN call_answer.peer IS 'caller | node id | internal';
COMMENT ON COLUMN call_answer.service IS 'service | words.with.dots | internal';
COMMENT ON COLUMN call_answer.key IS 'Idempotency-Key | UUIDv7 | internal';
COMMENT ON COLUMN call_answer.body_digest IS 'digest of the request body | sm3:b64 | internal';
COMMENT ON COLUMN call_answer.status IS 'HTTP status, null while running | status | internal';
COMMENT ON COLUMN call_answer.answer IS 'answer sealed under the node''s field key | sealed | personal';
COMMENT ON COLUMN call_answer.at IS 'when the key was first seen | UTC | internal';

-- ---- letters: sending ----------------------------------------------------------------------------------------

CREATE SEQUENCE outbox_ticket;

CREATE TABLE outbox (
  id uuid PRIMARY KEY,
  "to" text NOT NULL,
  kind text NOT NULL,
  kind_version int NOT NULL,
  about text NOT NULL CHECK (length(about) <= 80),
  at bigint NOT NULL,
  body bytea,
  body_digest text NOT NULL,
  ticket bigint NOT NULL,
  written_at timestamptz NOT NULL DEFAULT now(),
  epoch bigint,
  seq bigint,
  head bytea,
  digest text,
  kid text,
  sig text
);
CREATE INDEX outbox_waiting ON outbox (ticket) WHERE seq IS NULL;
CREATE UNIQUE INDEX outbox_number ON outbox (epoch, seq);
CREATE INDEX outbox_stream ON outbox ("to", epoch, seq);
COMMENT ON TABLE outbox IS '发件箱: letters of this node, written with the fact, numbered and signed by the stamper';
COMMENT ON COLUMN outbox.id IS 'letter id, made with the fact | UUIDv7, v8 for reactions | internal';
COMMENT ON COLUMN outbox."to" IS 'receiver | node id or * | internal';
COMMENT ON COLUMN outbox.kind IS 'kind | domain.fact | internal';
COMMENT ON COLUMN outbox.kind_version IS 'version of the kind | number | internal';
COMMENT ON COLUMN outbox.about IS 'thread: order and parking follow it | opaque key, at most 80 | internal';
COMMENT ON COLUMN outbox.at IS 'when the fact was | Unix ms | internal';
COMMENT ON COLUMN outbox.body IS 'wire body, encrypted for one reader unless open; null after compaction | JCS | personal';
COMMENT ON COLUMN outbox.body_digest IS 'digest of body | sm3:b64 | internal';
COMMENT ON COLUMN outbox.ticket IS 'order of the facts, taken after the row written about is locked | sequence | internal';
COMMENT ON COLUMN outbox.written_at IS 'start of the writing transaction | UTC | internal';
COMMENT ON COLUMN outbox.epoch IS 'epoch, null until stamped | number | internal';
COMMENT ON COLUMN outbox.seq IS 'number without holes in the epoch, null until stamped | number | internal';
COMMENT ON COLUMN outbox.head IS 'the signed head, null until stamped | JCS | internal';
COMMENT ON COLUMN outbox.digest IS 'digest of head | sm3:b64 | internal';
COMMENT ON COLUMN outbox.kid IS 'key that signed | node/name | internal';
COMMENT ON COLUMN outbox.sig IS 'signature over head | b64 of 64 bytes | internal';

CREATE TABLE outbox_head (
  one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  system_identifier text NOT NULL,
  timeline bigint NOT NULL,
  stopped text
);
COMMENT ON TABLE outbox_head IS '本节点信件的末尾: its row lock makes the stamper one at a time';
COMMENT ON COLUMN outbox_head.one_row IS 'one row | true | internal';
COMMENT ON COLUMN outbox_head.epoch IS 'one unbroken life of the log | number | internal';
COMMENT ON COLUMN outbox_head.seq IS 'last number given | number | internal';
COMMENT ON COLUMN outbox_head.system_identifier IS 'of the database when the epoch was opened | text | internal';
COMMENT ON COLUMN outbox_head.timeline IS 'of the database when the epoch was opened | number | internal';
COMMENT ON COLUMN outbox_head.stopped IS 'why nothing is stamped | restored,diverged,clock or null | internal';

CREATE TABLE outbox_end (
  epoch bigint NOT NULL,
  "to" text NOT NULL,
  seq bigint NOT NULL,
  digest text NOT NULL,
  PRIMARY KEY (epoch, "to")
);
COMMENT ON TABLE outbox_end IS '各流的最后一封: prev of the next letter, streams of the head statement';
COMMENT ON COLUMN outbox_end.epoch IS 'epoch | number | internal';
COMMENT ON COLUMN outbox_end."to" IS 'stream | node id or * | internal';
COMMENT ON COLUMN outbox_end.seq IS 'number of its last letter | number | internal';
COMMENT ON COLUMN outbox_end.digest IS 'digest of its last letter | sm3:b64 | internal';

CREATE TABLE head_statement (
  origin text NOT NULL,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  at bigint NOT NULL,
  signed bytea NOT NULL,
  held_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (origin, epoch, at)
);
COMMENT ON TABLE head_statement IS '末尾声明: what each origin said it had sent, the last two of each; watermark of cases.md 5';
COMMENT ON COLUMN head_statement.origin IS 'who says it | node id | internal';
COMMENT ON COLUMN head_statement.epoch IS 'epoch | number | internal';
COMMENT ON COLUMN head_statement.seq IS 'everything up to here is stamped | number | internal';
COMMENT ON COLUMN head_statement.at IS 'when it was said | Unix ms | internal';
COMMENT ON COLUMN head_statement.signed IS 'the statement as received | JSON | internal';
COMMENT ON COLUMN head_statement.held_at IS 'when it came here | UTC | internal';

-- ---- letters: receiving --------------------------------------------------------------------------------------

CREATE TABLE letter_cursor (
  origin text PRIMARY KEY,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  streams jsonb NOT NULL,
  view bigint NOT NULL DEFAULT 0,
  closed_at bigint,
  stopped text,
  moved_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE letter_cursor IS '收件进度: one row per origin, whatever the path; moves in the transaction of the effect';
COMMENT ON COLUMN letter_cursor.origin IS 'whose letters | node id | internal';
COMMENT ON COLUMN letter_cursor.epoch IS 'epoch being read | number | internal';
COMMENT ON COLUMN letter_cursor.seq IS 'read up to here | number | internal';
COMMENT ON COLUMN letter_cursor.streams IS 'last (seq, digest) held of each stream | {"to": {"seq", "digest"}} | internal';
COMMENT ON COLUMN letter_cursor.view IS 'batches fetched under another view die | counter | internal';
COMMENT ON COLUMN letter_cursor.closed_at IS 'last number of an epoch that the origin closed | number or null | internal';
COMMENT ON COLUMN letter_cursor.stopped IS 'why nothing is taken from this origin | fork,bad_letter,mass_parking or null | internal';
COMMENT ON COLUMN letter_cursor.moved_at IS 'last move | UTC | internal';

CREATE TABLE letter_applied (
  id uuid PRIMARY KEY,
  origin text NOT NULL,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  "to" text NOT NULL,
  kind text NOT NULL,
  kind_version int NOT NULL,
  about text NOT NULL,
  at bigint NOT NULL,
  head bytea NOT NULL,
  kid text NOT NULL,
  sig text NOT NULL,
  body bytea,
  outcome text NOT NULL CHECK (outcome IN ('applied', 'parked', 'compacted', 'set_aside')),
  taken_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX letter_applied_origin ON letter_applied (origin, epoch, seq);
CREATE INDEX letter_applied_thread ON letter_applied (origin, about);
COMMENT ON TABLE letter_applied IS '已收信件: known by id, so nothing has its effect twice; kept whole for the origin''s recovery';
COMMENT ON COLUMN letter_applied.id IS 'letter id | uuid | internal';
COMMENT ON COLUMN letter_applied.origin IS 'who wrote it | node id | internal';
COMMENT ON COLUMN letter_applied.epoch IS 'epoch | number | internal';
COMMENT ON COLUMN letter_applied.seq IS 'number | number | internal';
COMMENT ON COLUMN letter_applied."to" IS 'stream | node id or * | internal';
COMMENT ON COLUMN letter_applied.kind IS 'kind | domain.fact | internal';
COMMENT ON COLUMN letter_applied.kind_version IS 'version of the kind | number | internal';
COMMENT ON COLUMN letter_applied.about IS 'thread | opaque key | internal';
COMMENT ON COLUMN letter_applied.at IS 'when the fact was, at the origin | Unix ms | internal';
COMMENT ON COLUMN letter_applied.head IS 'signed head | JCS | internal';
COMMENT ON COLUMN letter_applied.kid IS 'key that signed | node/name | internal';
COMMENT ON COLUMN letter_applied.sig IS 'signature over head | b64 of 64 bytes | internal';
COMMENT ON COLUMN letter_applied.body IS 'wire body, encrypted for this node unless open; null when compacted | JSON | personal';
COMMENT ON COLUMN letter_applied.outcome IS 'what became of it | applied,parked,compacted,set_aside | internal';
COMMENT ON COLUMN letter_applied.taken_at IS 'when | UTC | internal';

CREATE TABLE letter_thread (
  origin text NOT NULL,
  about text NOT NULL,
  PRIMARY KEY (origin, about)
);
COMMENT ON TABLE letter_thread IS '有暂存信件的线索: its row lock keeps mail and replay of one thing apart; lives as long as letters wait';
COMMENT ON COLUMN letter_thread.origin IS 'who wrote | node id | internal';
COMMENT ON COLUMN letter_thread.about IS 'thread | opaque key | internal';

CREATE TABLE letter_parked (
  origin text NOT NULL,
  about text NOT NULL,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  id uuid NOT NULL UNIQUE REFERENCES letter_applied,
  kind text NOT NULL,
  kind_version int NOT NULL,
  reason text NOT NULL,
  error text,
  since timestamptz NOT NULL DEFAULT now(),
  attempts int NOT NULL DEFAULT 1,
  tried_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (origin, about, epoch, seq),
  FOREIGN KEY (origin, about) REFERENCES letter_thread
);
COMMENT ON TABLE letter_parked IS '暂存信件: waits with all that follows about the same thing; replayed lowest first, never dropped';
COMMENT ON COLUMN letter_parked.origin IS 'who wrote | node id | internal';
COMMENT ON COLUMN letter_parked.about IS 'thread | opaque key | internal';
COMMENT ON COLUMN letter_parked.epoch IS 'epoch | number | internal';
COMMENT ON COLUMN letter_parked.seq IS 'number | number | internal';
COMMENT ON COLUMN letter_parked.id IS 'the letter in letter_applied | uuid | internal';
COMMENT ON COLUMN letter_parked.kind IS 'kind | domain.fact | internal';
COMMENT ON COLUMN letter_parked.kind_version IS 'version of the kind | number | internal';
COMMENT ON COLUMN letter_parked.reason IS 'why | unknown_kind,unknown_version,behind,handler_failed,revoked_key,cannot_open,malformed | internal';
COMMENT ON COLUMN letter_parked.error IS 'error code or class, never its text | word or null | internal';
COMMENT ON COLUMN letter_parked.since IS 'since when | UTC | internal';
COMMENT ON COLUMN letter_parked.attempts IS 'tries so far | count | internal';
COMMENT ON COLUMN letter_parked.tried_at IS 'last try | UTC | internal';

CREATE TABLE letter_set_aside (
  id uuid PRIMARY KEY REFERENCES letter_applied,
  asked_by text NOT NULL,
  asked_at timestamptz NOT NULL DEFAULT now(),
  reason text NOT NULL,
  confirmed_by text,
  confirmed_at timestamptz,
  CHECK (confirmed_by IS NULL OR confirmed_by <> asked_by)
);
COMMENT ON TABLE letter_set_aside IS '搁置的信件: two persons and a reason; the letter itself stays';
COMMENT ON COLUMN letter_set_aside.id IS 'the letter | uuid | internal';
COMMENT ON COLUMN letter_set_aside.asked_by IS 'first person | staff id | internal';
COMMENT ON COLUMN letter_set_aside.asked_at IS 'when | UTC | internal';
COMMENT ON COLUMN letter_set_aside.reason IS 'why | Chinese, no person | internal';
COMMENT ON COLUMN letter_set_aside.confirmed_by IS 'second person | staff id or null | internal';
COMMENT ON COLUMN letter_set_aside.confirmed_at IS 'when | UTC or null | internal';

CREATE TABLE relay (
  origin text NOT NULL,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  id uuid NOT NULL,
  "to" text NOT NULL,
  digest text NOT NULL,
  head bytea NOT NULL,
  kid text NOT NULL,
  sig text NOT NULL,
  body bytea,
  held_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (origin, epoch, seq)
);
CREATE INDEX relay_stream ON relay (origin, "to", epoch, seq);
COMMENT ON TABLE relay IS '转递 (hub): letters of others as they are, stored in the transaction that moves the cursor';
COMMENT ON COLUMN relay.origin IS 'who wrote | node id | internal';
COMMENT ON COLUMN relay.epoch IS 'epoch | number | internal';
COMMENT ON COLUMN relay.seq IS 'number | number | internal';
COMMENT ON COLUMN relay.id IS 'letter id | uuid | internal';
COMMENT ON COLUMN relay."to" IS 'stream | node id or * | internal';
COMMENT ON COLUMN relay.digest IS 'digest of head | sm3:b64 | internal';
COMMENT ON COLUMN relay.head IS 'signed head | JCS | internal';
COMMENT ON COLUMN relay.kid IS 'key that signed | node/name | internal';
COMMENT ON COLUMN relay.sig IS 'signature over head | b64 of 64 bytes | internal';
COMMENT ON COLUMN relay.body IS 'wire body; the relay cannot read what is for one reader; null when compacted | JSON | internal';
COMMENT ON COLUMN relay.held_at IS 'when it came | UTC | internal';

-- ---- when things break: kept whole from the start, acted on in a later release ----------------------------------

CREATE TABLE epoch_letter (
  origin text NOT NULL,
  epoch bigint NOT NULL,
  previous bigint NOT NULL,
  signed bytea NOT NULL,
  held_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (origin, epoch)
);
COMMENT ON TABLE epoch_letter IS '新纪元声明: the end of a restored node''s old log, signed by it';
COMMENT ON COLUMN epoch_letter.origin IS 'who was restored | node id | internal';
COMMENT ON COLUMN epoch_letter.epoch IS 'the epoch it opens | number | internal';
COMMENT ON COLUMN epoch_letter.previous IS 'the epoch it ends | number | internal';
COMMENT ON COLUMN epoch_letter.signed IS 'as received | JSON | internal';
COMMENT ON COLUMN epoch_letter.held_at IS 'when it came | UTC | internal';

CREATE TABLE diverged_report (
  reporter text NOT NULL,
  origin text NOT NULL,
  epoch bigint NOT NULL,
  evidence bytea NOT NULL,
  holds boolean NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (reporter, origin, epoch)
);
COMMENT ON TABLE diverged_report IS '断点报告: somebody holds letters of ours that we do not; only our own signature counts';
COMMENT ON COLUMN diverged_report.reporter IS 'who reported | node id | internal';
COMMENT ON COLUMN diverged_report.origin IS 'whose log | node id | internal';
COMMENT ON COLUMN diverged_report.epoch IS 'epoch | number | internal';
COMMENT ON COLUMN diverged_report.evidence IS 'letters (heads) or head statements signed by the origin | JSON | internal';
COMMENT ON COLUMN diverged_report.holds IS 'the evidence proves a position the origin does not hold | boolean | internal';
COMMENT ON COLUMN diverged_report.at IS 'when | UTC | internal';

CREATE TABLE letter_returned (
  id uuid NOT NULL,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  returned_by text NOT NULL,
  letter bytea NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (id, epoch, seq)
);
COMMENT ON TABLE letter_returned IS '退回的信件: letters of this node that others held beyond the end of its log; acknowledged once stored';
COMMENT ON COLUMN letter_returned.id IS 'letter id | uuid | internal';
COMMENT ON COLUMN letter_returned.epoch IS 'epoch | number | internal';
COMMENT ON COLUMN letter_returned.seq IS 'number | number | internal';
COMMENT ON COLUMN letter_returned.returned_by IS 'who sent it back | node id | internal';
COMMENT ON COLUMN letter_returned.letter IS 'the letter as returned | JSON | personal';
COMMENT ON COLUMN letter_returned.at IS 'when | UTC | internal';

-- evidence 存证与材料: co-signed heads, named forks, scanned files, archive packages and hand-overs, the auditors' register of deeds.

-- a leaf that waits is written in the transaction of its row: a second look for the row at every leaf was half the time of a batch
ALTER TABLE log_pending DROP CONSTRAINT log_pending_leaf_id_fkey;
ALTER TABLE log_entry DROP CONSTRAINT log_entry_leaf_id_fkey;

CREATE TABLE log_cosignature (
    size bigint NOT NULL CHECK (size > 0),
    witness text NOT NULL CHECK (witness ~ '^[a-z0-9]{2,16}$'),
    root bytea NOT NULL CHECK (length(root) = 32),
    at_ms bigint NOT NULL,
    kid text NOT NULL,
    key bytea NOT NULL,
    certificate bytea NOT NULL,
    signature bytea NOT NULL CHECK (length(signature) = 64),
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (size, witness)
);
COMMENT ON TABLE log_cosignature IS '联署: heads of this node''s log that another node has checked and signed too; they go into receipts';
COMMENT ON COLUMN log_cosignature.size IS 'leaves covered by the head | count | public';
COMMENT ON COLUMN log_cosignature.witness IS 'who co-signed | node id | public';
COMMENT ON COLUMN log_cosignature.root IS 'root of the head | SM3, 32 bytes | public';
COMMENT ON COLUMN log_cosignature.at_ms IS 'when the head was signed | Unix milliseconds UTC | public';
COMMENT ON COLUMN log_cosignature.kid IS 'key of the witness | <node>/<name> | public';
COMMENT ON COLUMN log_cosignature.key IS 'public half of that key | DER SubjectPublicKeyInfo | public';
COMMENT ON COLUMN log_cosignature.certificate IS 'its certificate from the directory | X.509 DER | public';
COMMENT ON COLUMN log_cosignature.signature IS 'SM2 over the JCS form of the witness statement | 64 bytes r‖s | public';
COMMENT ON COLUMN log_cosignature.seen_at IS 'when it came | UTC | internal';

CREATE TABLE log_fork (
    node text NOT NULL CHECK (node ~ '^[a-z0-9]{2,16}$'),
    mark text NOT NULL,
    way text NOT NULL CHECK (way IN ('same_size', 'no_proof')),
    first jsonb NOT NULL,
    second jsonb NOT NULL,
    first_from text NOT NULL,
    second_from text NOT NULL,
    found_at timestamptz NOT NULL,
    told_at timestamptz,
    seen_by text NOT NULL DEFAULT '',
    seen_at timestamptz,
    PRIMARY KEY (node, mark)
);
COMMENT ON TABLE log_fork IS '两份历史: two heads that one node signed and that cannot both be true, with both as proof; never deleted';
COMMENT ON COLUMN log_fork.node IS 'who signed both | node id | public';
COMMENT ON COLUMN log_fork.mark IS 'names the pair | SM3 of both signed heads | public';
COMMENT ON COLUMN log_fork.way IS 'same_size: two roots of one size, proof in itself; no_proof: its signed answer does not join the two | code | public';
COMMENT ON COLUMN log_fork.first IS 'one signed head | JSON | public';
COMMENT ON COLUMN log_fork.second IS 'the other signed head | JSON | public';
COMMENT ON COLUMN log_fork.first_from IS 'from whom this node has the one | node id | public';
COMMENT ON COLUMN log_fork.second_from IS 'from whom this node has the other | node id | public';
COMMENT ON COLUMN log_fork.found_at IS 'when it was found here | UTC | public';
COMMENT ON COLUMN log_fork.told_at IS 'when the other nodes and the hub were told | UTC | internal';
COMMENT ON COLUMN log_fork.seen_by IS 'member of staff who has looked into it | staff id s… | internal';
COMMENT ON COLUMN log_fork.seen_at IS 'when | UTC | internal';

-- files handed in: what the scanner said
ALTER TABLE material ADD COLUMN scan text NOT NULL DEFAULT 'none' CHECK (scan IN ('none', 'waiting', 'clean', 'infected'));
ALTER TABLE material ADD COLUMN scanned_at timestamptz;
COMMENT ON COLUMN material.scan IS 'what the scanner said: none before there was one, waiting, clean, infected | code | internal';
COMMENT ON COLUMN material.scanned_at IS 'when it said so | UTC | internal';
CREATE INDEX material_unscanned ON material (made_at) WHERE scan = 'waiting' AND held;

-- archive packages of ended cases, and their hand-over
CREATE TABLE archive (
    subject text NOT NULL,
    id uuid NOT NULL,
    case_id uuid NOT NULL,
    number text NOT NULL,
    item_name text NOT NULL,
    org_code text NOT NULL,
    division text NOT NULL,
    term text NOT NULL,
    ended_on date NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'packed', 'proposed', 'approved', 'handed_over', 'cleared')),
    digest text NOT NULL,
    leaf uuid NOT NULL,
    address text NOT NULL,
    content_key bytea NOT NULL,
    byte_count bigint NOT NULL,
    file_count integer NOT NULL,
    made_at timestamptz NOT NULL,
    batch uuid,
    handed_over_at timestamptz,
    cleared_at timestamptz,
    PRIMARY KEY (subject, id)
);
CREATE UNIQUE INDEX archive_case ON archive (case_id);
CREATE INDEX archive_state ON archive (state, made_at);
CREATE INDEX archive_batch_of ON archive (batch) WHERE batch IS NOT NULL;
CREATE INDEX archive_address ON archive (address);
COMMENT ON TABLE archive IS '归档包: the archive package of an ended case; after hand-over and its term here the content goes and this row remains as the link';
COMMENT ON COLUMN archive.subject IS 'whose case | subject | personal';
COMMENT ON COLUMN archive.id IS 'package | UUIDv7 | internal';
COMMENT ON COLUMN archive.case_id IS 'the case | UUIDv7 | internal';
COMMENT ON COLUMN archive.number IS 'case number | 22 digits | internal';
COMMENT ON COLUMN archive.item_name IS 'name of the item | text | public';
COMMENT ON COLUMN archive.org_code IS 'department | 18-character code | internal';
COMMENT ON COLUMN archive.division IS 'its place | GB/T 2260 | internal';
COMMENT ON COLUMN archive.term IS 'how long it is to be kept: years or permanent | 10, 30 or permanent | internal';
COMMENT ON COLUMN archive.ended_on IS 'day the case ended | China date | internal';
COMMENT ON COLUMN archive.state IS 'waiting for its receipts, packed, proposed and approved for hand-over, handed over, cleared here | code | internal';
COMMENT ON COLUMN archive.digest IS 'digest of the manifest | sm3:… | internal';
COMMENT ON COLUMN archive.leaf IS 'leaf over the manifest | UUIDv7 | internal';
COMMENT ON COLUMN archive.address IS 'content address of the package''s ciphertext | sm3:… | internal';
COMMENT ON COLUMN archive.content_key IS 'key and nonce of the package, sealed by the node; emptied when cleared | sealed 28 bytes | secret';
COMMENT ON COLUMN archive.byte_count IS 'size of the plain package | bytes | internal';
COMMENT ON COLUMN archive.file_count IS 'files the manifest names | count | internal';
COMMENT ON COLUMN archive.made_at IS 'when it was made | UTC | internal';
COMMENT ON COLUMN archive.batch IS 'hand-over it belongs to | UUIDv7 | internal';
COMMENT ON COLUMN archive.handed_over_at IS 'when the receiver''s receipt was taken | UTC | internal';
COMMENT ON COLUMN archive.cleared_at IS 'when the content was deleted here | UTC | internal';

CREATE TABLE archive_batch (
    id uuid NOT NULL,
    receiver text NOT NULL,
    receiver_key bytea NOT NULL,
    division text NOT NULL,
    org_code text NOT NULL,
    proposal uuid NOT NULL,
    proposed_by text NOT NULL,
    approved_by text NOT NULL DEFAULT '',
    state text NOT NULL CHECK (state IN ('proposed', 'approved', 'received', 'dropped')),
    made_at timestamptz NOT NULL,
    approved_at timestamptz,
    received_at timestamptz,
    receipt jsonb,
    leaf uuid,
    PRIMARY KEY (id)
);
COMMENT ON TABLE archive_batch IS '移交批次: packages handed over together to an archive, under four eyes, ended by the receiver''s signed receipt';
COMMENT ON COLUMN archive_batch.id IS 'batch | UUIDv7 | internal';
COMMENT ON COLUMN archive_batch.receiver IS 'name of the archive | text | internal';
COMMENT ON COLUMN archive_batch.receiver_key IS 'key that its receipt is signed with, pinned at the approval | DER SubjectPublicKeyInfo | internal';
COMMENT ON COLUMN archive_batch.division IS 'place of the department | GB/T 2260 | internal';
COMMENT ON COLUMN archive_batch.org_code IS 'department that hands over | 18-character code | internal';
COMMENT ON COLUMN archive_batch.proposal IS 'proposal it was put to another with | UUIDv7 | internal';
COMMENT ON COLUMN archive_batch.proposed_by IS 'who proposed | staff id s… | internal';
COMMENT ON COLUMN archive_batch.approved_by IS 'who approved, another one | staff id s… | internal';
COMMENT ON COLUMN archive_batch.state IS 'proposed, approved, received, dropped | code | internal';
COMMENT ON COLUMN archive_batch.made_at IS 'when proposed | UTC | internal';
COMMENT ON COLUMN archive_batch.approved_at IS 'when approved | UTC | internal';
COMMENT ON COLUMN archive_batch.received_at IS 'when the receipt was taken | UTC | internal';
COMMENT ON COLUMN archive_batch.receipt IS 'receipt signed by the receiver, no person in it | JSON | internal';
COMMENT ON COLUMN archive_batch.leaf IS 'leaf over the receipt | UUIDv7 | internal';

ALTER TABLE case_record ADD COLUMN packed_at timestamptz;
COMMENT ON COLUMN case_record.packed_at IS 'when its archive package was made, null before | UTC | internal';
CREATE INDEX case_record_to_pack ON case_record (changed_at) WHERE packed_at IS NULL;

-- the history of a case grows only, until its file has been handed over and its term here is over
CREATE OR REPLACE FUNCTION case_history_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('tongban.retention', true) = 'on' THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' AND current_setting('tongban.follow', true) = 'on'
       AND to_jsonb(NEW) - 'subject' = to_jsonb(OLD) - 'subject' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'append-only: %', TG_TABLE_NAME USING ERRCODE = 'raise_exception';
END $$;

-- what auditors look at: deeds in order of time, refused readings among them, and their exports
CREATE INDEX access_reason_at ON access_reason (at DESC, id DESC);
CREATE TABLE staff_alert (
    id uuid NOT NULL,
    staff text NOT NULL,
    unit text NOT NULL,
    division text NOT NULL,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX staff_alert_at ON staff_alert (at DESC, id DESC);
COMMENT ON TABLE staff_alert IS 'Deeds of staff that raised an alert 报警的行为: reading without a reason, too many readings, big exports; no citizen in it';
COMMENT ON COLUMN staff_alert.id IS 'row id | UUIDv7 | internal';
COMMENT ON COLUMN staff_alert.staff IS 'who did it | staff id s… | internal';
COMMENT ON COLUMN staff_alert.unit IS 'unit in words | text | internal';
COMMENT ON COLUMN staff_alert.division IS 'place of the unit | GB/T 2260 | internal';
COMMENT ON COLUMN staff_alert.kind IS 'what it was | code | internal';
COMMENT ON COLUMN staff_alert.at IS 'when | UTC | internal';

CREATE TABLE audit_export (
    id uuid NOT NULL,
    staff text NOT NULL,
    approved_by text NOT NULL,
    made_at timestamptz NOT NULL,
    row_count integer NOT NULL,
    digest text NOT NULL,
    content bytea NOT NULL,
    taken_at timestamptz,
    PRIMARY KEY (id),
    CHECK (approved_by <> staff)
);
COMMENT ON TABLE audit_export IS 'Export of the register of readings 审计导出: proposed by one, approved by another, taken once within a day, with a mark of both';
COMMENT ON COLUMN audit_export.id IS 'the proposal | UUIDv7 | internal';
COMMENT ON COLUMN audit_export.staff IS 'who may take it | staff id s… | internal';
COMMENT ON COLUMN audit_export.approved_by IS 'who approved, another one | staff id s… | internal';
COMMENT ON COLUMN audit_export.made_at IS 'when approved | UTC | internal';
COMMENT ON COLUMN audit_export.row_count IS 'rows in it | count | internal';
COMMENT ON COLUMN audit_export.digest IS 'digest of the file | sm3:… | internal';
COMMENT ON COLUMN audit_export.content IS 'the file, no citizen in it; emptied when taken or a day old | sealed bytes | internal';
COMMENT ON COLUMN audit_export.taken_at IS 'when it was taken | UTC | internal';

-- 存证: one append-only RFC 6962 tree with SM3, its signed heads, and what is known of other nodes' logs.

CREATE TABLE log_leaf (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind ~ '^[a-z_]+(\.[a-z_]+)+$' AND length(kind) <= 64),
    at_ms bigint NOT NULL,
    salt bytea CHECK (length(salt) = 16),
    fact bytea CHECK (length(fact) = 32),
    commitment bytea NOT NULL CHECK (length(commitment) = 32),
    CHECK ((salt IS NULL) = (fact IS NULL))
);
COMMENT ON TABLE log_leaf IS '存证叶子: a salted hash of a business fact, written in the transaction of the fact; rows are never changed, only forgotten (salt and fact emptied)';
COMMENT ON COLUMN log_leaf.id IS 'the leaf, made by the application | UUIDv7 | internal';
COMMENT ON COLUMN log_leaf.kind IS 'what happened | <room>.<fact>, lower case | internal';
COMMENT ON COLUMN log_leaf.at_ms IS 'when it was written, by the database clock | Unix milliseconds UTC | internal';
COMMENT ON COLUMN log_leaf.salt IS 'keeps the fact from being guessed; empty when forgotten | 16 random bytes | internal';
COMMENT ON COLUMN log_leaf.fact IS 'the fact named by its content; empty when forgotten | SM3, 32 bytes | internal';
COMMENT ON COLUMN log_leaf.commitment IS 'what the tree holds of the fact | SM3(salt ‖ fact), 32 bytes | internal';

CREATE TABLE log_pending (
    leaf_id uuid PRIMARY KEY REFERENCES log_leaf (id)
);
COMMENT ON TABLE log_pending IS '待入树: leaves that have no place in the tree yet; the sequencer empties it';
COMMENT ON COLUMN log_pending.leaf_id IS 'the leaf | UUIDv7 | internal';

CREATE TABLE log_tree (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL CHECK (size >= 0),
    announced bigint NOT NULL DEFAULT 0 CHECK (announced >= 0)
);
COMMENT ON TABLE log_tree IS '树的大小: one row; its lock makes one sequencer at a time';
COMMENT ON COLUMN log_tree.one IS 'there is one row | always true | internal';
COMMENT ON COLUMN log_tree.size IS 'how many leaves the tree holds | count | public';
COMMENT ON COLUMN log_tree.announced IS 'the size of the head that other nodes were last told | count | public';
INSERT INTO log_tree (size) VALUES (0);

CREATE TABLE log_entry (
    index bigint PRIMARY KEY CHECK (index >= 0),
    leaf_id uuid NOT NULL UNIQUE REFERENCES log_leaf (id)
);
COMMENT ON TABLE log_entry IS '叶子的位置: which leaf stands where in the tree; append-only';
COMMENT ON COLUMN log_entry.index IS 'place in the tree, from 0 without holes | number | internal';
COMMENT ON COLUMN log_entry.leaf_id IS 'the leaf | UUIDv7 | internal';

CREATE TABLE log_node (
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 62),
    index bigint NOT NULL CHECK (index >= 0),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, index)
);
COMMENT ON TABLE log_node IS '完整子树的杂凑: complete subtrees of the Merkle tree, two rows a leaf on average; append-only';
COMMENT ON COLUMN log_node.level IS 'height of the subtree, 0 is the leaf | 0 to 62 | public';
COMMENT ON COLUMN log_node.index IS 'which subtree of that height, from the left | number | public';
COMMENT ON COLUMN log_node.hash IS 'RFC 6962 hash of the subtree | SM3, 32 bytes | public';

CREATE TABLE log_head (
    size bigint NOT NULL CHECK (size >= 0),
    at_ms bigint NOT NULL,
    root bytea NOT NULL CHECK (length(root) = 32),
    kid text NOT NULL,
    key bytea NOT NULL,
    signature bytea NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (size, at_ms)
);
COMMENT ON TABLE log_head IS '签名树头: what the node has promised the world about its tree, on a timer; append-only';
COMMENT ON COLUMN log_head.size IS 'leaves covered | count | public';
COMMENT ON COLUMN log_head.at_ms IS 'when it was signed, by the node clock | Unix milliseconds UTC | public';
COMMENT ON COLUMN log_head.root IS 'root hash of the tree of that size | SM3, 32 bytes | public';
COMMENT ON COLUMN log_head.kid IS 'the signing key | <node>/<name> | public';
COMMENT ON COLUMN log_head.key IS 'the public half of that key | DER SubjectPublicKeyInfo | public';
COMMENT ON COLUMN log_head.signature IS 'SM2 over the JCS form of the head | 64 bytes r‖s | public';

CREATE TABLE log_certificate (
    kid text PRIMARY KEY,
    certificate bytea NOT NULL,
    anchor bytea NOT NULL,
    since_ms bigint NOT NULL
);
COMMENT ON TABLE log_certificate IS '签名证书: certificates of this node''s signing keys, put into receipts; the newest names the key that signs heads';
COMMENT ON COLUMN log_certificate.kid IS 'the signing key | <node>/<name> | public';
COMMENT ON COLUMN log_certificate.certificate IS 'its certificate | X.509 DER | public';
COMMENT ON COLUMN log_certificate.anchor IS 'the root it chains to | X.509 DER | public';
COMMENT ON COLUMN log_certificate.since_ms IS 'valid from | Unix milliseconds UTC | public';

CREATE TABLE log_witnessed (
    node text NOT NULL CHECK (node ~ '^[a-z0-9]{2,16}$'),
    size bigint NOT NULL CHECK (size >= 0),
    at_ms bigint NOT NULL,
    root bytea NOT NULL CHECK (length(root) = 32),
    state text NOT NULL CHECK (state IN ('first', 'consistent', 'gap', 'fork')),
    head jsonb NOT NULL,
    seen_at timestamptz NOT NULL,
    kid text,
    countersignature bytea CHECK (length(countersignature) = 64),
    PRIMARY KEY (node, size, root)
);
COMMENT ON TABLE log_witnessed IS '见证: signed heads of other nodes as this node saw them; a fork stays for ever';
COMMENT ON COLUMN log_witnessed.node IS 'whose log | node id | public';
COMMENT ON COLUMN log_witnessed.size IS 'leaves covered | count | public';
COMMENT ON COLUMN log_witnessed.at_ms IS 'when its node signed it | Unix milliseconds UTC | public';
COMMENT ON COLUMN log_witnessed.root IS 'root hash | SM3, 32 bytes | public';
COMMENT ON COLUMN log_witnessed.state IS 'what the check said | first, consistent, gap: not proved yet, fork: two histories | public';
COMMENT ON COLUMN log_witnessed.head IS 'the signed head as received | JSON | public';
COMMENT ON COLUMN log_witnessed.seen_at IS 'when it was checked here | timestamp UTC | public';
COMMENT ON COLUMN log_witnessed.kid IS 'this node''s key that countersigned, empty for gap and fork | <node>/<name> | public';
COMMENT ON COLUMN log_witnessed.countersignature IS 'SM2 over the JCS form of the witness statement | 64 bytes r‖s | public';
CREATE INDEX log_witnessed_newest ON log_witnessed (node, size DESC);

-- evidence 材料: what people handed in, encrypted, found by the digest of the ciphertext
CREATE TABLE material (
    subject        text        NOT NULL,
    id             uuid        NOT NULL,
    kind           text        NOT NULL,
    name           bytea       NOT NULL,
    media_type     text        NOT NULL,
    byte_count     bigint      NOT NULL,
    address        text        NOT NULL,
    content_key    bytea       NOT NULL,
    origin         text        NOT NULL CHECK (origin IN ('upload', 'letter', 'document')),
    origin_node    text        NOT NULL,
    held           boolean     NOT NULL,
    made_at        timestamptz NOT NULL,
    removed_at     timestamptz,
    PRIMARY KEY (subject, id)
);
CREATE INDEX material_address ON material (address);
CREATE INDEX material_wanted ON material (made_at) WHERE NOT held AND removed_at IS NULL;
COMMENT ON TABLE material IS 'One file handed in or made for a person (材料); the content lies in the encrypted store of data_dir';
COMMENT ON COLUMN material.subject IS 'whose file | subject | personal';
COMMENT ON COLUMN material.id IS 'material | UUIDv7, the same in every node | internal';
COMMENT ON COLUMN material.kind IS 'what it is for: a material code of an item, or document | code | internal';
COMMENT ON COLUMN material.name IS 'file name as the person gave it | sealed text | personal';
COMMENT ON COLUMN material.media_type IS 'type found by looking at the content, never the claimed one | media type | internal';
COMMENT ON COLUMN material.byte_count IS 'size of the plain content | bytes | internal';
COMMENT ON COLUMN material.address IS 'content address: digest of the ciphertext | sm3:… | internal';
COMMENT ON COLUMN material.content_key IS 'key and nonce of the content, sealed by the node | sealed 28 bytes | secret';
COMMENT ON COLUMN material.origin IS 'how it came: upload by a person, letter from a node, document made here | code | internal';
COMMENT ON COLUMN material.origin_node IS 'node that holds the first copy | node id | internal';
COMMENT ON COLUMN material.held IS 'whether the content is in this node''s store | boolean | internal';
COMMENT ON COLUMN material.made_at IS 'when it was handed in or came | UTC | internal';
COMMENT ON COLUMN material.removed_at IS 'when the person took it out of 我的材料; the file itself goes with the last use | UTC | internal';

CREATE TABLE material_use (
    subject        text        NOT NULL,
    material       uuid        NOT NULL,
    used_in        text        NOT NULL,
    sent_to        text        NOT NULL,
    at             timestamptz NOT NULL,
    PRIMARY KEY (subject, material, used_in, sent_to)
);
COMMENT ON TABLE material_use IS 'Where a material was used and which node may ask for its content (用在哪里)';
COMMENT ON COLUMN material_use.subject IS 'whose file | subject | personal';
COMMENT ON COLUMN material_use.material IS 'the file | UUIDv7 | internal';
COMMENT ON COLUMN material_use.used_in IS 'the thing it serves | case:<id> | internal';
COMMENT ON COLUMN material_use.sent_to IS 'node that was told of it | node id | internal';
COMMENT ON COLUMN material_use.at IS 'since when | UTC | internal';

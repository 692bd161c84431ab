-- per-person erasure keys 人员密钥 (privacy.md 2): half a key a person and purpose; the other half lies in the key folder.
CREATE TABLE person_key (
    subject text NOT NULL,
    id uuid NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('own', 'file')),
    half bytea NOT NULL,
    place bigint NOT NULL CHECK (place >= 0),
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subject, id)
);
CREATE UNIQUE INDEX person_key_id ON person_key (id);
COMMENT ON TABLE person_key IS 'Half of a person''s erasure key (人员密钥); a deleted row ends what backups still hold under it';
COMMENT ON COLUMN person_key.subject IS 'whose | subject | personal';
COMMENT ON COLUMN person_key.id IS 'key, named by every value under it | UUIDv7 | internal';
COMMENT ON COLUMN person_key.purpose IS 'own: what goes with the account; file: what the archive duty keeps | code | internal';
COMMENT ON COLUMN person_key.half IS 'one half of the key, sealed by the node | sealed 32 bytes | secret';
COMMENT ON COLUMN person_key.place IS 'place of the other half in the key folder | count from 0 | internal';
COMMENT ON COLUMN person_key.made_at IS 'when made | UTC | internal';

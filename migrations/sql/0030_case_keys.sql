-- per-person erasure keys 人员密钥 (privacy.md 2): half a key a person and purpose; the other half lies in the key folder.
CREATE TABLE person_key (
    subject text NOT NULL,
    id uuid NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('own', 'file')),
    half bytea NOT NULL,
    place bigint NOT NULL CHECK (place >= 0),
    made_at timestamptz NOT NULL DEFAULT now(),
    retired boolean NOT NULL DEFAULT false,
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
COMMENT ON COLUMN person_key.retired IS 'the account was closed: nothing new is sealed under it | boolean | internal';

-- an account was closed: its cases lose every link but the file itself (privacy.md 7)
ALTER TABLE case_record ADD COLUMN left_as text NOT NULL DEFAULT '';
CREATE INDEX case_record_left ON case_record (subject) WHERE left_as <> '';
COMMENT ON COLUMN case_record.left_as IS 'random name that takes the place of the subject once all cases of who left have ended; empty while the account stands | text | internal';

-- lines from before the person keys get under them: the same words, 16 bytes longer by the name of the key, and never the other way
CREATE OR REPLACE FUNCTION sealed_again(old_value bytea, new_value bytea) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT octet_length(new_value) IS NOT DISTINCT FROM octet_length(old_value)
        OR coalesce(octet_length(new_value) = octet_length(old_value) + 16
                    AND substring(new_value FROM 1 FOR 2) = '\x0000' AND substring(old_value FROM 1 FOR 2) <> '\x0000', false)
$$;
COMMENT ON FUNCTION sealed_again(bytea, bytea) IS 'Whether a sealed value may be the other one sealed anew: as long, or under a person''s key for the first time';
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
       AND sealed_again(OLD.shown, NEW.shown) AND sealed_again(OLD.opinion, NEW.opinion) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'append-only: %', TG_TABLE_NAME USING ERRCODE = 'raise_exception';
END $$;

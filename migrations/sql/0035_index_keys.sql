-- main 索引密钥轮换: turns of the key of blind indexes (R-801, T-46, docs/adr/0015). Additive: the release before runs beside it.

CREATE TABLE index_key (
    version integer NOT NULL CHECK (version BETWEEN 1 AND 65535),
    begun_at timestamptz NOT NULL,
    writing_at timestamptz,
    done_at timestamptz,
    narrowed_at timestamptz,
    looked_at timestamptz,
    rows_done bigint NOT NULL DEFAULT 0,
    rows_left bigint NOT NULL DEFAULT 0,
    rows_failed bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (version)
);
COMMENT ON TABLE index_key IS 'Index keys 索引密钥 by version: since when each is searched, written under, and alone; the keys are in the key folder';
COMMENT ON COLUMN index_key.version IS 'version of the key | number | internal';
COMMENT ON COLUMN index_key.begun_at IS 'since when every process searches it | UTC | internal';
COMMENT ON COLUMN index_key.writing_at IS 'since when new rows stand under it | UTC or null | internal';
COMMENT ON COLUMN index_key.done_at IS 'when no row was left under an older version: no older one is searched or written since | UTC or null | internal';
COMMENT ON COLUMN index_key.narrowed_at IS 'when this version was wiped but for the columns that lead on from it | UTC or null | internal';
COMMENT ON COLUMN index_key.looked_at IS 'when the rows were last gone through | UTC or null | internal';
COMMENT ON COLUMN index_key.rows_done IS 'rows that went over to it | count | internal';
COMMENT ON COLUMN index_key.rows_left IS 'rows that stood under an older version at the last look | count | internal';
COMMENT ON COLUMN index_key.rows_failed IS 'rows whose value did not open at the last look | count | internal';

-- A mark begins with the two bytes of its key version from version 2 on; those of version 1 are 16 bytes without.
CREATE FUNCTION mark_version(mark bytea) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    CASE WHEN octet_length(mark) > 16 THEN get_byte(mark, 0) * 256 + get_byte(mark, 1) ELSE 1 END;
COMMENT ON FUNCTION mark_version IS 'the version of the index key that a mark stands under';

-- A row written under a version that was put away would never be found again. Who writes holds the version until its transaction
-- ends (shared); who puts a version away waits for them (exclusive), counts, and only then closes it.
CREATE FUNCTION mark_is_found() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mark bytea;
    wanted integer;
BEGIN
    EXECUTE format('SELECT ($1).%I', TG_ARGV[0]) INTO mark USING NEW;
    wanted := mark_version(mark);
    PERFORM pg_advisory_xact_lock_shared(8011, wanted);
    IF EXISTS (SELECT FROM index_key WHERE version > wanted AND done_at IS NOT NULL) THEN
        RAISE EXCEPTION 'index key % is put away: nobody would find this row of %', wanted, TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION mark_is_found IS 'refuses a mark under an index key that is searched no more';

CREATE TRIGGER account_mark BEFORE INSERT OR UPDATE OF bi_phone ON account
    FOR EACH ROW WHEN (NEW.bi_phone IS NOT NULL) EXECUTE FUNCTION mark_is_found('bi_phone');
CREATE TRIGGER person_mark BEFORE INSERT OR UPDATE OF bi_number ON person
    FOR EACH ROW WHEN (NEW.bi_number IS NOT NULL) EXECUTE FUNCTION mark_is_found('bi_number');
CREATE TRIGGER register_entry_mark BEFORE INSERT OR UPDATE OF bi_number ON register_entry
    FOR EACH ROW EXECUTE FUNCTION mark_is_found('bi_number');
CREATE TRIGGER staff_mark BEFORE INSERT OR UPDATE OF bi_citizen ON staff
    FOR EACH ROW WHEN (NEW.bi_citizen IS NOT NULL) EXECUTE FUNCTION mark_is_found('bi_citizen');
CREATE TRIGGER subject_alias_mark BEFORE INSERT OR UPDATE OF old ON subject_alias FOR EACH ROW EXECUTE FUNCTION mark_is_found('old');
CREATE TRIGGER home_index_mark BEFORE INSERT OR UPDATE OF bi ON home_index FOR EACH ROW EXECUTE FUNCTION mark_is_found('bi');
CREATE TRIGGER review_mark BEFORE INSERT OR UPDATE OF service_key ON review FOR EACH ROW EXECUTE FUNCTION mark_is_found('service_key');

COMMENT ON COLUMN account.bi_phone IS 'blind index of the mobile number | 16 bytes HMAC-SM3, key version in front from 2 on | personal';
COMMENT ON COLUMN person.bi_number IS 'blind index of doctype and number | 16 bytes HMAC-SM3, key version in front from 2 on | personal';
COMMENT ON COLUMN register_entry.bi_number IS 'blind index of doctype and number | 16 bytes HMAC-SM3, key version in front from 2 on | personal';
COMMENT ON COLUMN match_asked.bi_number IS 'blind index of the number | 16 bytes HMAC-SM3, key version in front from 2 on | personal';
COMMENT ON COLUMN staff.bi_citizen IS 'blind index of the own citizen number, to refuse own cases | 16 bytes HMAC-SM3, key version in front from 2 on | personal';
COMMENT ON COLUMN subject_alias.old IS 'blind index of the pseudonym before | 16 bytes HMAC-SM3, key version in front from 2 on | personal';
COMMENT ON COLUMN home_index.bi IS 'blind index with the hub''s key | 16 bytes HMAC-SM3, key version in front from 2 on | personal';
COMMENT ON COLUMN login_tx.bi_phone IS 'blind index of the phone the code goes to | 16 bytes HMAC-SM3, key version in front from 2 on | personal';
COMMENT ON COLUMN demo_sms.bi_phone IS 'blind index of the number | 16 bytes HMAC-SM3, key version in front from 2 on | personal';
COMMENT ON COLUMN review.service_key IS 'blind index of case and service number, once only | 16 bytes HMAC-SM3, key version in front from 2 on | secret';

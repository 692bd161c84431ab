-- identity 统一身份认证: mandates at visited nodes, and rows that only grow following a changed pseudonym (identity.md 1, 2, 6.2).
-- Additive only: the release before runs beside it.

ALTER TABLE mandate ADD COLUMN told_by text NOT NULL DEFAULT '';
ALTER TABLE mandate ADD COLUMN shown text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN mandate.told_by IS 'home of the agent that showed this copy to a visited node, empty at the granting node and at the home | node id | internal';
COMMENT ON COLUMN mandate.shown IS 'nodes that were told of it while the agent visited, to be told of its end | node ids | internal';
ALTER TABLE mandate ADD COLUMN grantor_node text NOT NULL DEFAULT '';
COMMENT ON COLUMN mandate.grantor_node IS 'home of a minor who is represented by law, as the register told, empty when unknown | node id | internal';
CREATE INDEX mandate_told_by ON mandate (told_by, over_at) WHERE told_by <> '';

ALTER TABLE person ADD COLUMN confirm_until bytea;
COMMENT ON COLUMN person.confirm_until IS 'a visitor of 14 to 17: the guardian confirms level-3 acts until this moment, as the home says; null for anybody else | sealed Unix s | personal';

ALTER TABLE account_move ADD COLUMN heard_at timestamptz;
COMMENT ON COLUMN account_move.heard_at IS 'when the old home answered the request, null at the new home until it did: the person may press again | UTC | internal';

CREATE TABLE guardian_visit (
    subject text NOT NULL,
    id uuid NOT NULL,
    about text NOT NULL,
    node text NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (subject, id),
    UNIQUE (subject, about)
);
COMMENT ON TABLE guardian_visit IS 'A visited node asks, through the minor''s home, for a guardian''s yes 到访时请监护人确认 (identity.md 2)';
COMMENT ON COLUMN guardian_visit.subject IS 'the minor | identifier | personal';
COMMENT ON COLUMN guardian_visit.id IS 'ask as the visited node knows it | UUIDv7 | internal';
COMMENT ON COLUMN guardian_visit.about IS 'what it is asked for there | visit:<node>:draft:<id> | internal';
COMMENT ON COLUMN guardian_visit.node IS 'visited node | node id | internal';
COMMENT ON COLUMN guardian_visit.asked_at IS 'when | UTC | internal';

ALTER TABLE access_record ADD COLUMN written_subject text;
COMMENT ON COLUMN access_record.written_subject IS 'pseudonym the line was written under when another follows it now, since its digest and leaf name that one; null for none | identifier | personal';

CREATE OR REPLACE FUNCTION consent_rows_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('tongban.retention', true) = 'on' THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' AND current_setting('tongban.follow', true) = 'on' THEN
        IF TG_TABLE_NAME = 'access_record' THEN
            NEW.written_subject := coalesce(OLD.written_subject, OLD.subject);
        END IF;
        IF to_jsonb(NEW) - 'subject' - 'written_subject' = to_jsonb(OLD) - 'subject' - 'written_subject' THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
COMMENT ON FUNCTION consent_rows_stay() IS 'Rows are written once; the retention job may delete them after their term, a changed pseudonym may take them along and changes nothing else';

CREATE OR REPLACE FUNCTION case_history_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('tongban.follow', true) = 'on'
       AND to_jsonb(NEW) - 'subject' = to_jsonb(OLD) - 'subject' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'append-only: %', TG_TABLE_NAME USING ERRCODE = 'raise_exception';
END $$;
COMMENT ON FUNCTION case_history_refuse_change() IS 'History only grows; a changed pseudonym may take its lines along and changes nothing else';

-- the register of readings holds every reading by staff (R-802): also at the desks of rights, holds, licences and archive
ALTER TABLE access_reason DROP CONSTRAINT access_reason_kind_check;
ALTER TABLE access_reason ADD CONSTRAINT access_reason_kind_check
    CHECK (kind IN ('case','queue','visit','dispute','emergency','right','hold','licence','archive','audit'));
COMMENT ON COLUMN access_reason.id IS 'row id, and since this version the id of the leaf over who read, why and when | UUIDv7 | internal';
COMMENT ON COLUMN access_reason.ref IS 'case, visit, dispute, request, hold, licence or package, or why an auditor asked and of which row | id | internal';

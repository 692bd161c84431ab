-- a company's licence is found by the credit code on it (R-405): the number of such a card is the code, public and in clear since the first version
CREATE INDEX credential_card_company ON credential_card (number) WHERE holder_kind = 'legal' AND replaced_by IS NULL;
CREATE INDEX credential_company ON credential (number) WHERE holder_kind = 'legal';
COMMENT ON COLUMN credential_card.number IS '证照编号, of a company''s card that bears it the 统一社会信用代码 | text | internal';

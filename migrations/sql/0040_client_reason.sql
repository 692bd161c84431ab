-- why a proposed change of a client was refused: whoever proposed it reads it (identity.md 9)
ALTER TABLE client_change ADD COLUMN reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 200);
COMMENT ON COLUMN client_change.reason IS 'why it was refused; empty: agreed, open, or decided before this was asked | text, of staff | internal';

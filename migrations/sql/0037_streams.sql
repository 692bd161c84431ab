-- exchange 数据共享: files carried as one stream (R-402, R-407): how many bytes of one were given.
ALTER TABLE exchange_message ADD COLUMN bytes_given bigint CHECK (bytes_given >= 0);
COMMENT ON COLUMN exchange_message.bytes_given IS 'bytes of a file given in one stream; null for a call or a list | bytes | internal';

-- federation 节点: a second restore (federation.md 6.2): which epoch letter a reader goes by, and what it has met again of what it set aside.
ALTER TABLE letter_cursor ADD COLUMN closed_by bigint;
COMMENT ON COLUMN letter_cursor.closed_by IS 'the new epoch of the letter by which this epoch is closed; null while it is open, or closed before this column was | number | internal';
ALTER TABLE letter_to_return ADD COLUMN met_at timestamptz;
ALTER TABLE letter_to_return ADD COLUMN settled_at timestamptz;
UPDATE letter_to_return SET met_at = acknowledged_at, settled_at = acknowledged_at WHERE acknowledged_at IS NOT NULL;
CREATE INDEX letter_to_return_unsettled ON letter_to_return (origin, epoch, seq) WHERE settled_at IS NULL;
COMMENT ON COLUMN letter_to_return.met_at IS 'when the letter was met again in its origin''s log, since then the origin has it | UTC | internal';
COMMENT ON COLUMN letter_to_return.settled_at IS 'when all that was set aside of that origin had been met again, so that none of it is sent back any more | UTC | internal';

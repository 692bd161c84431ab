-- exchange 数据共享: large answers as one stream (R-402): how much of it was given.

ALTER TABLE exchange_message ADD COLUMN rows_given bigint CHECK (rows_given >= 0);
ALTER TABLE exchange_message ADD COLUMN pieces integer CHECK (pieces >= 0);
COMMENT ON COLUMN exchange_message.rows_given IS 'rows of a list given in one stream; null for a call | number | internal';
COMMENT ON COLUMN exchange_message.pieces IS 'signed pieces they came in; null for a call | number | internal';

-- 0021_exchange
SELECT 1;

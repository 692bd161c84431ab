-- 0024_seals
SELECT 1;

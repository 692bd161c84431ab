-- 0023_showing
SELECT 1;

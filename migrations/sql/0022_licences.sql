-- 0022_licences
SELECT 1;

-- 0026_federation
SELECT 1;

-- 0020_identity_reach
SELECT 1;

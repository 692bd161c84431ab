-- 0025_evidence
SELECT 1;

-- 0019_sign_in_speed
SELECT 1;

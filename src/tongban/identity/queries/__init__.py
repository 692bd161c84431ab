"""Looking at identity without touching 身份查询: persons, sessions, staff, keys, the register."""

"""0030_case_keys: the statements stand in ../sql/0030_case_keys.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0030_case_keys"
down_revision = "0029_holdings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0030_case_keys")

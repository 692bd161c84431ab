"""0031_sign_in: the statements stand in ../sql/0031_sign_in.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0031_sign_in"
down_revision = "0030_case_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0031_sign_in")

"""0028_closing: the statements stand in ../sql/0028_closing.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0028_closing"
down_revision = "0027_privacy"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0028_closing")

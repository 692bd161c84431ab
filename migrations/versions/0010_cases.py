"""0010_cases: the statements stand in ../sql/0010_cases.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0010_cases"
down_revision = "0009_evidence"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0010_cases")

"""0018_staff: the statements stand in ../sql/0018_staff.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0018_staff"
down_revision = "0017_factors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0018_staff")

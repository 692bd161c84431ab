"""0023_showing: the statements stand in ../sql/0023_showing.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0023_showing"
down_revision = "0022_licences"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0023_showing")

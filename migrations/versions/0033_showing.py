"""0033_showing: the statements stand in ../sql/0033_showing.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0033_showing"
down_revision = "0032_exchange"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0033_showing")

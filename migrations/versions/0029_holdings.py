"""0029_holdings: the statements stand in ../sql/0029_holdings.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0029_holdings"
down_revision = "0028_closing"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0029_holdings")

"""0016_homes_and_disputes: the statements stand in ../sql/0016_homes_and_disputes.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0016_homes_and_disputes"
down_revision = "0015_agents"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0016_homes_and_disputes")

"""0024_seals: the statements stand in ../sql/0024_seals.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0024_seals"
down_revision = "0023_showing"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0024_seals")

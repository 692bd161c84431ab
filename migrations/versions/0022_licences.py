"""0022_licences: the statements stand in ../sql/0022_licences.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0022_licences"
down_revision = "0021_exchange"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0022_licences")

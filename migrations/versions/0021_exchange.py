"""0021_exchange: the statements stand in ../sql/0021_exchange.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0021_exchange"
down_revision = "0020_identity_reach"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0021_exchange")

"""0006_seals_exchange: the statements stand in ../sql/0006_seals_exchange.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0006_seals_exchange"
down_revision = "0005_identity"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0006_seals_exchange")

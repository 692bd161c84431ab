"""0032_exchange: the statements stand in ../sql/0032_exchange.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0032_exchange"
down_revision = "0031_sign_in"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0032_exchange")

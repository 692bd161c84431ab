"""0007_catalogue: the statements stand in ../sql/0007_catalogue.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0007_catalogue"
down_revision = "0006_seals_exchange"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0007_catalogue")

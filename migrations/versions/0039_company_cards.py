"""0039_company_cards: the statements stand in ../sql/0039_company_cards.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0039_company_cards"
down_revision = "0038_readings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0039_company_cards")

"""0040_client_reason: the statements stand in ../sql/0040_client_reason.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0040_client_reason"
down_revision = "0039_company_cards"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0040_client_reason")

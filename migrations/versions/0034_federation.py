"""0034_federation: the statements stand in ../sql/0034_federation.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0034_federation"
down_revision = "0033_showing"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0034_federation")

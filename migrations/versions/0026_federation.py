"""0026_federation: the statements stand in ../sql/0026_federation.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0026_federation"
down_revision = "0025_evidence"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0026_federation")

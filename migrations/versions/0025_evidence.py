"""0025_evidence: the statements stand in ../sql/0025_evidence.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0025_evidence"
down_revision = "0024_seals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0025_evidence")

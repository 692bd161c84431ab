"""0009_evidence: the statements stand in ../sql/0009_evidence.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0009_evidence"
down_revision = "0008_credentials"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0009_evidence")

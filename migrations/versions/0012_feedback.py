"""0012_feedback: the statements stand in ../sql/0012_feedback.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0012_feedback"
down_revision = "0011_service_apps"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0012_feedback")

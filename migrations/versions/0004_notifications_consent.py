"""0004_notifications_consent: the statements stand in ../sql/0004_notifications_consent.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0004_notifications_consent"
down_revision = "0003_federation"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0004_notifications_consent")

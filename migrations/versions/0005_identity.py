"""0005_identity: the statements stand in ../sql/0005_identity.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0005_identity"
down_revision = "0004_notifications_consent"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0005_identity")

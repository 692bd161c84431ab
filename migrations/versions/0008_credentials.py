"""0008_credentials: the statements stand in ../sql/0008_credentials.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0008_credentials"
down_revision = "0007_catalogue"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0008_credentials")

"""0011_service_apps: the statements stand in ../sql/0011_service_apps.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0011_service_apps"
down_revision = "0010_cases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0011_service_apps")

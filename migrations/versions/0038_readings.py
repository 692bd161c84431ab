"""0038_readings: the statements stand in ../sql/0038_readings.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0038_readings"
down_revision = "0037_streams"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0038_readings")

"""0037_streams: the statements stand in ../sql/0037_streams.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0037_streams"
down_revision = "0036_relatives"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0037_streams")

"""0001_first_rooms: the statements stand in ../sql/0001_first_rooms.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0001_first_rooms"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0001_first_rooms")

"""0002_transparency: the statements stand in ../sql/0002_transparency.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0002_transparency"
down_revision = "0001_first_rooms"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0002_transparency")

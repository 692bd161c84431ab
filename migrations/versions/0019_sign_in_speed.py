"""0019_sign_in_speed: the statements stand in ../sql/0019_sign_in_speed.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0019_sign_in_speed"
down_revision = "0018_staff"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0019_sign_in_speed")

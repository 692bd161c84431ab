"""0020_identity_reach: the statements stand in ../sql/0020_identity_reach.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0020_identity_reach"
down_revision = "0019_sign_in_speed"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0020_identity_reach")

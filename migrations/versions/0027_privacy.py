"""0027_privacy: the statements stand in ../sql/0027_privacy.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0027_privacy"
down_revision = "0026_federation"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0027_privacy")

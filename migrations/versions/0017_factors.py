"""0017_factors: the statements stand in ../sql/0017_factors.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0017_factors"
down_revision = "0016_homes_and_disputes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0017_factors")

"""0013_space_search: the statements stand in ../sql/0013_space_search.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0013_space_search"
down_revision = "0012_feedback"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0013_space_search")

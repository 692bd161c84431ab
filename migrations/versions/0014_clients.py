"""0014_clients: the statements stand in ../sql/0014_clients.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0014_clients"
down_revision = "0013_space_search"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0014_clients")

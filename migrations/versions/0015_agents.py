"""0015_agents: the statements stand in ../sql/0015_agents.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0015_agents"
down_revision = "0014_clients"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0015_agents")

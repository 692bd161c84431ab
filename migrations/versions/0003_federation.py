"""0003_federation: the statements stand in ../sql/0003_federation.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0003_federation"
down_revision = "0002_transparency"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0003_federation")

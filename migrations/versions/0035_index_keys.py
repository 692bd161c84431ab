"""0035_index_keys: the statements stand in ../sql/0035_index_keys.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0035_index_keys"
down_revision = "0034_federation"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0035_index_keys")

"""0036_relatives: the statements stand in ../sql/0036_relatives.sql."""

from __future__ import annotations

from tongban.main.migrate import run_sql_file

revision = "0036_relatives"
down_revision = "0035_index_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql_file("0036_relatives")

"""Migrations 迁移: the one linear Alembic history, run on a database given by URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command, op
from alembic.config import Config

FOLDER = Path(__file__).resolve().parents[3] / "migrations"


def run_sql_file(revision: str) -> None:
    """Run `migrations/sql/<revision>.sql`, many statements in one transaction (执行一步迁移).

    Locks are given up quickly, so that a migration beside running code waits for nobody (architecture.md 14).
    """
    sql = (FOLDER / "sql" / f"{revision}.sql").read_text("utf-8")
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute("SET LOCAL lock_timeout = '5s';\n" + sql))


def upgrade(url: str) -> None:
    """Bring the database to the newest revision (升级). Blocking; the caller keeps it off the event loop."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["url"] = url
    command.upgrade(config, "head")

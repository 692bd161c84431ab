"""A backup of a node of these tests, and putting it back: every table and sequence, beside its open connections."""

from __future__ import annotations

from tongban.federation.actions.office import DIRECTORY_BELL, RECOVERY_BELL
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
_SEQUENCES = "SELECT sequencename AS name, last_value FROM pg_sequences WHERE schemaname = 'public'"


async def back_up(node: Node, name: str = "backup") -> None:
    """Copy everything as it is now."""
    async with node.db.transaction() as tx:
        await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await tx.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}")
        for one in await _filled(tx):
            await tx.execute(f'CREATE TABLE {name}."{one}" AS SELECT * FROM public."{one}"')
        await tx.execute(f"CREATE TABLE {name}.sequences AS {_SEQUENCES}")


async def _filled(tx: Tx) -> list[str]:
    """The tables that hold anything: most of a node of the post are empty."""
    tables = [row["tablename"] for row in await tx.fetch(_TABLES)]
    looks = " UNION ALL ".join(f"SELECT '{one}' AS name WHERE EXISTS (SELECT FROM public.\"{one}\")" for one in tables)
    return [row["name"] for row in await tx.fetch(looks)]


async def put_back(node: Node, name: str = "backup") -> None:
    """The database as it was; whoever keeps things in memory looks again."""
    async with node.db.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        for one in await _filled(tx):
            await tx.execute(f'DELETE FROM public."{one}"')
        copied = await tx.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tablename <> 'sequences'", name)
        for one in (row["tablename"] for row in copied):
            names = ", ".join(
                f'"{row["attname"]}"'
                for row in await tx.fetch(
                    "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
                    f'public."{one}"',
                )
            )
            await tx.execute(f'INSERT INTO public."{one}" ({names}) SELECT {names} FROM {name}."{one}"')
        for row in await tx.fetch(f"SELECT name, last_value FROM {name}.sequences"):
            await tx.execute("SELECT setval($1::regclass, coalesce($2, 1), $2 IS NOT NULL)", f'public."{row["name"]}"', row["last_value"])
    for bell in (DIRECTORY_BELL, RECOVERY_BELL):
        node.bell.ring(bell)

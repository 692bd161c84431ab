"""One step of the table: state, history row and log leaf in one transaction."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban import catalogue, transparency
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs
from tongban.kernel.node import Node
from tongban.service_apps.errors import AppGone
from tongban.service_apps.model import Draft, ItemRef, ServiceApp
from tongban.service_apps.queries import app_of
from tongban.service_apps.rules import transitions


async def locked(tx: Tx, app_id: str) -> ServiceApp:
    """The app, its row held until the end of the transaction. Raises AppGone."""
    row = await tx.fetchrow("SELECT * FROM service_app WHERE id = $1 FOR UPDATE", app_id)
    if row is None:
        raise AppGone
    return app_of(row)


async def step(
    tx: Tx, node: Node, actor: Actor, app: ServiceApp, name: str, /, *, reason: str = "", **changes: Any
) -> ServiceApp:
    """Take one step of life_cycle.toml (走一步): the row's new state, a history row, a log leaf.

    `changes` are further columns of service_app by name. The caller has judged that the step may be taken.
    """
    row = transitions()[name]
    columns = {"state": row.to, "updated_at": node.clock.now(), **changes}
    settings = ", ".join(f"{column} = ${place}" for place, column in enumerate(columns, start=2))
    after = app_of(
        await tx.fetchrow(f"UPDATE service_app SET {settings} WHERE id = $1 RETURNING *", app.id, *columns.values())
    )
    await write_history(tx, node, actor, after, name, from_state=app.state, reason=reason)
    return after


async def write_history(
    tx: Tx, node: Node, actor: Actor, app: ServiceApp, name: str, *, from_state: str, reason: str = ""
) -> None:
    """One row of the app's history and its leaf; the leaf binds state and digest, not the person."""
    fact = jcs({
        "app": app.id,
        "step": name,
        "from": from_state,
        "to": app.state,
        "digest": app.digest,
        "version": app.version,
        "v": 1,
    })
    leaf = await transparency.append(tx, "app.step", fact)
    await tx.execute(
        """INSERT INTO service_app_history (app_id, seq, at, name, from_state, to_state, by, by_words, reason, digest, leaf)
           SELECT $1, coalesce(max(seq), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10
           FROM service_app_history WHERE app_id = $1""",
        app.id,
        node.clock.now(),
        name,
        from_state,
        app.state,
        actor.staff_id or actor.subject,
        actor.unit,
        reason,
        app.digest,
        str(leaf.id),
    )


async def pinned(tx: Tx, draft: Draft) -> Draft:
    """The draft with the digest and name of each item as the catalogue has them now (钉住事项指纹)."""
    refs = []
    for one in draft.items:
        found = await catalogue.item(tx, one.task_code, one.version)
        refs.append(
            ItemRef(
                task_code=one.task_code,
                version=one.version,
                digest=found.digest if found else "",
                name=found.plain_name or found.name if found else one.name,
            )
        )
    return msgspec.structs.replace(draft, items=tuple(sorted(refs)))

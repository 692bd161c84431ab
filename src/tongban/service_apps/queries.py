"""Looking at 应用管理: apps, reports, history, what is published in the nation, figures."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tongban.kernel.db import Tx
from tongban.service_apps.model import (
    Draft,
    Figures,
    Finding,
    GateReport,
    HistoryRow,
    ItemRef,
    PublishedApp,
    ServiceApp,
)
from tongban.service_apps.rules.figures import p95


def app_of(row: Any) -> ServiceApp:
    """A row of service_app as its noun."""
    return ServiceApp(
        id=row["id"],
        draft=msgspec.convert(row["draft"], Draft),
        version=row["version"],
        state=row["state"],
        digest=row["digest"],
        published_channels=tuple(row["published_channels"]),
        submitted_by=row["submitted_by"],
        reviewed_by=row["reviewed_by"],
        reviewed_digest=row["reviewed_digest"],
        checked_digest=row["checked_digest"],
        updated_at=row["updated_at"],
    )


async def app(tx: Tx, app_id: str) -> ServiceApp | None:
    """One app of this node (应用)."""
    row = await tx.fetchrow("SELECT * FROM service_app WHERE id = $1", app_id)
    return app_of(row) if row else None


async def apps(tx: Tx, *, state: str = "", words: str = "") -> tuple[ServiceApp, ...]:
    """The apps registered here, last changed first (应用列表); by state, by words in name or unit."""
    rows = await tx.fetch(
        """SELECT * FROM service_app WHERE ($1 = '' OR state = $1)
           AND ($2 = '' OR name ILIKE '%' || $2 || '%' OR draft->>'owner_name' ILIKE '%' || $2 || '%')
           ORDER BY updated_at DESC LIMIT 500""",
        state,
        words,
    )
    return tuple(app_of(row) for row in rows)


async def report(tx: Tx, app_id: str) -> GateReport | None:
    """The newest run of the gate over an app (最近一次自动检查)."""
    row = await tx.fetchrow("SELECT * FROM service_app_report WHERE app_id = $1 ORDER BY id DESC LIMIT 1", app_id)
    if row is None:
        return None
    return GateReport(
        id=row["id"],
        app=row["app_id"],
        digest=row["digest"],
        at=row["at"],
        ms=row["ms"],
        findings=msgspec.convert(row["findings"], tuple[Finding, ...]),
        pages=tuple(row["pages"]),
    )


async def history(tx: Tx, app_id: str) -> tuple[HistoryRow, ...]:
    """Every step of an app, oldest first (流转记录)."""
    rows = await tx.fetch(
        """SELECT at, name, from_state, to_state, by, by_words, reason, digest, leaf FROM service_app_history
           WHERE app_id = $1 ORDER BY seq""",
        app_id,
    )
    return tuple(msgspec.convert(dict(row), HistoryRow) for row in rows)


def _published(row: Any) -> PublishedApp:
    return PublishedApp(
        id=row["id"],
        node=row["node"],
        name=row["name"],
        owner_name=row["owner_name"],
        contact_unit=row["contact_unit"],
        contact_phone=row["contact_phone"],
        version=row["version"],
        digest=row["digest"],
        channels=tuple(row["channels"]),
        items=msgspec.convert(row["items"], tuple[ItemRef, ...]),
        published_at=row["published_at"],
    )


async def published(tx: Tx, app_id: str) -> PublishedApp | None:
    """An app as it is published now, or None (运行中的应用)."""
    row = await tx.fetchrow("SELECT * FROM published_app WHERE id = $1 AND status = 'published'", app_id)
    return _published(row) if row else None


async def published_apps(tx: Tx) -> tuple[PublishedApp, ...]:
    """Every app published in the nation as this node knows it, by name (全国已发布应用)."""
    rows = await tx.fetch("SELECT * FROM published_app WHERE status = 'published' ORDER BY name, id")
    return tuple(_published(row) for row in rows)


async def app_of_item(tx: Tx, task_code: str) -> PublishedApp | None:
    """The published app that carries an item, of whatever node (承载它的应用)."""
    row = await tx.fetchrow(
        "SELECT * FROM published_app WHERE status = 'published' AND items @> $1 ORDER BY published_at LIMIT 1",
        [{"task_code": task_code}],
    )
    return _published(row) if row else None


async def carried(tx: Tx, task_code: str, channel: str) -> bool:
    """Whether an item is reachable on a channel through a published app (渠道上办得了吗). A wide screen is `pc` or `h5`."""
    found = await app_of_item(tx, task_code)
    return found is not None and channel in found.channels


async def carrier(tx: Tx, task_code: str, *, besides: str) -> str:
    """The name of another published app that carries this item, "" when there is none."""
    found: str | None = await tx.fetchval(
        "SELECT name FROM published_app WHERE status = 'published' AND items @> $1 AND id <> $2 LIMIT 1",
        [{"task_code": task_code}],
        besides,
    )
    return found or ""


async def figures(tx: Tx, *, since: datetime, app_id: str | None = None) -> tuple[Figures, ...]:
    """Visits, errors and times of apps since a moment, one row for each app and channel (运行数字)."""
    rows = await tx.fetch(
        """SELECT app_id, channel, sum(visits)::bigint AS visits, sum(errors)::bigint AS errors,
             sum(sum_ms)::bigint AS sum_ms, array_agg(buckets) AS buckets
           FROM service_app_figure WHERE hour >= date_trunc('hour', $1::timestamptz) AND ($2::uuid IS NULL OR app_id = $2)
           GROUP BY app_id, channel ORDER BY app_id, channel""",
        since,
        app_id,
    )
    return tuple(
        Figures(
            app=row["app_id"],
            channel=row["channel"],
            visits=row["visits"],
            errors=row["errors"],
            mean_ms=round(row["sum_ms"] / row["visits"]) if row["visits"] else 0,
            p95_ms=p95([sum(column) for column in zip(*row["buckets"], strict=True)]),
        )
        for row in rows
    )

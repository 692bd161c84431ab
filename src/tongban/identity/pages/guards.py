"""Who may change how an account signs in 谁能改登录方式: at home, not on a new device's first day, not while restricted."""

from __future__ import annotations

from tongban import ui
from tongban.identity.actions.acting import moment
from tongban.identity.errors import failure
from tongban.identity.model import Session
from tongban.identity.pages import browser
from tongban.identity.pages.browser import AnyRequest, AnyResponse
from tongban.identity.rules.levels import may_change_factors
from tongban.kernel.actor import Actor
from tongban.kernel.errors import SignInNeeded
from tongban.kernel.node import Node


async def own(request: AnyRequest, node: Node, actor: Actor, *, level: int = 1) -> Session:
    """The session of this browser, at `level` at least. Raises SignInNeeded, LevelNeeded."""
    actor.require(level=level)
    actor.require_self("登录方式")
    session = await browser.citizen_session(request, node)
    if session is None:
        raise SignInNeeded
    return session


def elsewhere(session: Session) -> AnyResponse | None:
    """For what only the home changes, its phone and voice 只在账号所在地改: a visitor is shown the way there."""
    return ui.see_other("/me/devices") if session.home is not None else None


async def changing(request: AnyRequest, node: Node, actor: Actor, *, level: int = 2) -> Session:
    """As `own`, for changing authenticators. Raises Failure `identity.new_device_wait`, `identity.restricted` too."""
    session = await own(request, node, actor, level=level)
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT opened_at, restricted_until FROM account WHERE subject = $1", session.subject)
    now = node.clock.now()
    if row is not None and row["restricted_until"] is not None and row["restricted_until"] > now:
        raise failure("identity.restricted", time=moment(row["restricted_until"]))
    opened = None if row is None else row["opened_at"]
    if row is not None and not may_change_factors(
        new_device=session.new_device, acr=actor.acr, started_at=session.started_at, opened_at=opened, now=now
    ):
        raise failure("identity.new_device_wait")
    return session

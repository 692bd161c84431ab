"""The life of an app as the table that runs (life_cycle.toml)."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources as packaged

import msgspec

from tongban.kernel.actor import Actor
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import digest, jcs
from tongban.service_apps.model import STATE_WORDS, Draft, ServiceApp


class Transition(msgspec.Struct, frozen=True, rename={"from_states": "from"}):
    """One row of the table (一步流转)."""

    name: str
    words: str
    from_states: tuple[str, ...]
    to: str
    action: str
    four_eyes: bool = False
    reason: bool = False


@cache
def transitions() -> dict[str, Transition]:
    """The table by name."""
    raw = tomllib.loads(packaged.files("tongban.service_apps").joinpath("life_cycle.toml").read_text("utf-8"))
    return {row.name: row for row in msgspec.convert(raw["transition"], tuple[Transition, ...])}


def digest_of(draft: Draft, version: int) -> str:
    """The identity of what is checked, reviewed and published (应用指纹): draft, version, and the items' own digests."""
    return digest(jcs({"draft": msgspec.to_builtins(draft), "version": version, "v": 1}))


def may_step(name: str, app: ServiceApp, actor: Actor, reason: str = "") -> Refusals:
    """What stands against this step by this person now (能不能走这一步); () when nothing does.

    State, then four eyes, then reason. Rights are the caller's `require_may` before this.
    """
    row = transitions()[name]
    if app.state not in row.from_states:
        return (Refusal("service_apps.state", f"应用现在是“{STATE_WORDS[app.state]}”，不能{row.words}"),)
    if row.four_eyes and actor.staff_id == app.submitted_by:
        return (Refusal("service_apps.four_eyes", f"这一版是你提交的，要另一位同事来{row.words}"),)
    if row.reason and not reason.strip():
        return (Refusal("service_apps.reason", "写清理由，提交人会看到", "reason"),)
    return ()

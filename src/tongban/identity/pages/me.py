"""My devices, passkeys and sign-ins 我的设备、通行密钥和登录记录."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from tongban import federation, ui
from tongban.identity.actions import devices as devices_verbs
from tongban.identity.actions import ending, introduce, locks, passkey, sessions, voice
from tongban.identity.errors import failure
from tongban.identity.model import Session
from tongban.identity.pages import browser
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.pages.factor_views import DevicesPage, OwnDevice
from tongban.identity.pages.guards import changing, own
from tongban.identity.pages.recovery import waiting_numbers
from tongban.identity.pages.views import AccessPage, DeviceRow
from tongban.identity.queries import sessions as queries
from tongban.identity.queries.persons import person, phone_of
from tongban.identity.rules.levels import PROOFS, RECORD_WORDS
from tongban.identity.rules.typed import masked_phone
from tongban.kernel.clock import CHINA
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node


def words(at: datetime) -> str:
    """A moment in China time: 11月18日 10:02."""
    local = at.astimezone(CHINA)
    return f"{local.month}月{local.day}日 {local:%H:%M}"


@get("/me/devices")
async def devices(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Browsers I signed in with, my passkeys, and 退出所有设备."""
    return await _devices(request, node, await own(request, node, actor))


async def _devices(request: AnyRequest, node: Node, session: Session, errors: Refusals = ()) -> AnyResponse:
    async with node.db.reading() as tx:
        seen = await queries.devices(tx, node, session.subject, session.device)
        counts = await queries.open_on_devices(tx, node, session.subject)
        rows = await tx.fetch(
            "SELECT id, label, created_at, last_used FROM authenticator WHERE subject = $1 AND kind = 'passkey' AND ended_at IS NULL"
            " ORDER BY created_at", session.subject,
        )  # fmt: skip
        gesture = await locks.has(tx, session)
        has_voice = await voice.reference_of(tx, node, session.subject) is not None
        phone = await phone_of(tx, node, session.subject)
        waiting = await waiting_numbers(tx, node, session.subject)
        home_url = await introduce.address(tx, session.home or "")
    page = DevicesPage(
        devices=tuple(OwnDevice(one.id, one.label, f"最近 {words(one.last_seen)}", one.current, counts.get(one.id, 0)) for one in seen),
        passkeys=tuple(
            OwnDevice(
                row["id"], node.cipher.open("identity", "authenticator.label", row["id"], row["label"]).reveal(),
                f"最近用过 {words(row['last_used'])}" if row["last_used"] else f"绑定于 {words(row['created_at'])}", False, 0,
            )
            for row in rows
        ),
        here=session.home is None, home_name=federation.name_of(node, session.home or node.id), gesture=gesture, voice=has_voice,
        phone=masked_phone(phone) if phone else "", waiting=waiting, home_url=home_url, errors=errors,
    )  # fmt: skip
    return ui.page(request, "identity/devices.html", page, status=422 if errors else 200)


@post("/me/devices/{device:uuid}/rename", status_code=200)
async def rename(request: AnyRequest, node: HereNode, actor: Asking, device: FromPath[UUID]) -> AnyResponse:
    """Give a device a name of one's own."""
    form = await ui.form(request)
    session = await own(request, node, actor)
    async with node.db.transaction() as tx:
        if not await devices_verbs.rename(tx, node, session, str(device), form["label"]):
            raise failure("identity.device_gone")
    return ui.see_other("/me/devices")


@post("/me/devices/{device:uuid}/leave", status_code=200)
async def leave_device(request: AnyRequest, node: HereNode, actor: Asking, device: FromPath[UUID]) -> AnyResponse:
    """Sign that device out, here and where it led."""
    await ui.form(request)
    session = await own(request, node, actor)
    async with node.db.transaction() as tx:
        await devices_verbs.leave(tx, node, session, str(device))
    node.bell.ring(sessions.BELL)
    return browser.leave(node, ui.see_other("/logout")) if str(device) == session.device else ui.see_other("/me/devices")


@post("/me/devices/{device:uuid}/remove", status_code=200)
async def remove_device(request: AnyRequest, node: HereNode, actor: Asking, device: FromPath[UUID]) -> AnyResponse:
    """Forget that device: signed out, its gesture gone, unknown again. Not from a device let in on this very day (identity.md 3)."""
    await ui.form(request)
    session = await changing(request, node, actor, level=1)
    async with node.db.transaction() as tx:
        if not await devices_verbs.remove(tx, node, session, str(device), browser.agent_of(request)):
            raise failure("identity.device_gone")
    node.bell.ring(sessions.BELL)
    return browser.leave(node, ui.see_other("/logout")) if str(device) == session.device else ui.see_other("/me/devices")


@get("/me/devices/passkey/options", media_type="application/json")
async def binding(request: AnyRequest, node: HereNode, actor: Asking) -> Response[str]:
    """What the browser needs to make a passkey for this host."""
    session = await changing(request, node, actor)
    async with node.db.transaction() as tx:
        known = await person(tx, node, session.subject)
        shown = known.name_masked.reveal() if known is not None and known.name_masked is not None else "我"
        options = await passkey.binding_options(tx, node, session, shown)
    return Response(options, media_type="application/json", headers={"Cache-Control": "no-store"})


@post("/me/devices/passkey", status_code=200)
async def bind(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Keep the passkey just made."""
    form = await ui.form(request)
    session = await changing(request, node, actor)
    async with node.db.transaction() as tx:
        if not form["credential"]:  # the script was refused its options: here they are refused in words
            await passkey.binding_options(tx, node, session, "")
        refused = await passkey.bind(tx, node, session, form["credential"], form["label"], browser.agent_of(request))
    return await _devices(request, node, session, refused) if refused else ui.see_other("/me/devices")


@post("/me/devices/passkey/{authenticator:uuid}/remove", status_code=200)
async def remove(request: AnyRequest, node: HereNode, actor: Asking, authenticator: FromPath[UUID]) -> AnyResponse:
    """Take a passkey away; asks level 2."""
    await ui.form(request)
    session = await changing(request, node, actor)
    async with node.db.transaction() as tx:
        if not await passkey.remove(tx, node, session, str(authenticator), browser.agent_of(request)):
            raise failure("identity.passkey_gone")
    return ui.see_other("/me/devices")


@post("/me/devices/leave-all", status_code=200)
async def leave_all(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """退出所有设备: every session of this home's person ends, here and where it led. Only at the home."""
    await ui.form(request)
    session = await own(request, node, actor)
    if session.home is not None:
        raise failure("identity.not_home")
    async with node.db.transaction() as tx:
        await ending.leave_everywhere(tx, node, session.subject)
    node.bell.ring(sessions.BELL)
    return browser.leave(node, ui.see_other("/logout"))


@get("/me/access")
async def access(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Where and when I signed in, what level, and which nodes I went to."""
    session = await own(request, node, actor)
    async with node.db.reading() as tx:
        rows = await queries.sign_ins(tx, node, session.subject)
    names = {place: federation.name_of(node, place) for place in {row.place for row in rows}}
    page = AccessPage(
        rows=tuple(
            DeviceRow(str(number), RECORD_WORDS.get(row.what, row.what), f"{words(row.at)}，{names[row.place]}，{row.device}")
            for number, row in enumerate(rows)
        ),
        level=actor.acr, level_words=PROOFS.get(actor.acr, ""), home_name=federation.name_of(node, session.home or node.id),
    )  # fmt: skip
    return ui.page(request, "identity/access.html", page)


ROUTES = [devices, rename, leave_device, remove_device, binding, bind, remove, leave_all, access]

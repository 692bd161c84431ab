"""Pages of the voice print and of signing in by voice or certificate 声纹和数字证书登录 (identity.md 3)."""

from __future__ import annotations

from urllib.parse import quote

from litestar import get, post

from tongban import ui
from tongban.identity import providers
from tongban.identity.actions import certificates, sign_in, voice
from tongban.identity.errors import SENTENCES, refusal
from tongban.identity.model import Session
from tongban.identity.pages import browser
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.pages.factor_views import VoicePage, WayPage
from tongban.identity.pages.guards import changing, elsewhere
from tongban.identity.providers.voice import check, enrol
from tongban.identity.rules import typed
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.typed import own_path
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

AFTER = "/me"
SECONDS = FACTORS.providers.voice_seconds


@get("/me/voice")
async def mine(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Whether I use my voice, and how to begin or stop."""
    session = await changing(request, node, actor)
    return elsewhere(session) or await _mine(request, node, session)


async def _mine(request: AnyRequest, node: Node, session: Session, errors: Refusals = ()) -> AnyResponse:
    async with node.db.reading() as tx:
        has = await voice.reference_of(tx, node, session.subject) is not None
    page = VoicePage(has=has, demo=node.settings.demo, errors=errors)
    return ui.page(request, "identity/voice.html", page, status=SENTENCES[errors[0].code][0] if errors else 200)


@post("/me/voice", status_code=200)
async def begin(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Take a template, only with the separate consent."""
    form = await ui.form(request)
    session = await changing(request, node, actor)
    if home := elsewhere(session):
        return home
    if form["agree"] != "yes":
        return await _mine(request, node, session, (refusal("identity.voice_consent", "agree"),))
    recording = form.file("recording")
    result = await enrol(providers.voice(node, await providers.demo_way(node, "voice", form["demo"])), recording.data if recording else b"", seconds=SECONDS)
    async with node.db.transaction() as tx:
        refused = await voice.keep(tx, node, actor, session, result, browser.agent_of(request))
    return await _mine(request, node, session, refused) if refused else ui.see_other("/me/voice")


@post("/me/voice/forget", status_code=200)
async def stop(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Withdraw: nothing is compared any more, the provider deletes the template."""
    await ui.form(request)
    session = await changing(request, node, actor, level=1)
    async with node.db.transaction() as tx:
        reference = await voice.forget(tx, node, actor, session, browser.agent_of(request))
    if reference is not None:
        await providers.voice(node).forget(reference)
    return ui.see_other("/me/voice")


@get("/login/voice")
async def voice_page(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Sign in by voice, on a device that was seen before."""
    return _way_page(request, node, "voice", own_path(request.query_params.get("next", ""), AFTER))


@get("/login/certificate")
async def certificate_page(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Sign in by one's own certificate."""
    return _way_page(request, node, "certificate", own_path(request.query_params.get("next", ""), AFTER))


def _way_page(request: AnyRequest, node: Node, name: str, next_path: str, who: str = "", errors: Refusals = ()) -> AnyResponse:
    title = {"voice": "用声纹登录", "certificate": "用数字证书登录"}[name]
    page = WayPage(
        title=title, back="/login?next=" + quote(next_path, safe=""), next=next_path, who=who, demo=node.settings.demo, errors=errors
    )
    return ui.page(request, f"identity/by_{name}.html", page, status=SENTENCES[errors[0].code][0] if errors else 200)


@post("/login/voice", status_code=200)
async def by_voice(request: AnyRequest, node: HereNode) -> AnyResponse:
    """A recording came."""
    form = await ui.form(request)
    next_path, here = own_path(form["next"], AFTER), browser.browser_of(request)
    async with node.db.transaction() as tx:
        wait = await sign_in.address_wait(tx, node, here)
        known = None if wait else await voice.on_known_device(tx, node, form["who"], here)
    if wait:
        return _way_page(request, node, "voice", next_path, form["who"], (refusal("identity.too_many", "who", wait=wait),))
    if known is None:
        return _way_page(request, node, "voice", next_path, form["who"], (refusal("identity.voice_new_device", "who"),))
    recording = form.file("recording")
    provider = providers.voice(node, await providers.demo_way(node, "voice", form["demo"]))
    result = await check(provider, known[1], recording.data if recording else b"", seconds=SECONDS)
    async with node.db.transaction() as tx:
        opened = await voice.sign_in_by(tx, node, known[0], result, here)
    if isinstance(opened, tuple):
        return _way_page(request, node, "voice", next_path, form["who"], opened)
    return await browser.take(request, node, ui.see_other(next_path), opened)


@post("/login/certificate", status_code=200)
async def by_certificate(request: AnyRequest, node: HereNode) -> AnyResponse:
    """The number was typed: the co-signing app is asked, its answer judged."""
    form = await ui.form(request)
    next_path, here = own_path(form["next"], AFTER), browser.browser_of(request)
    refused: Refusals = ()
    if wrong := typed.check_number(form["who"], "who"):
        refused = (wrong,)
    else:
        async with node.db.transaction() as tx:
            if wait := await sign_in.address_wait(tx, node, here):
                refused = (refusal("identity.too_many", "who", wait=wait),)
    refused = refused or await certificates.asked(node, form["who"], way=await providers.demo_way(node, "cosigner", form["demo"]))
    if refused:
        return _way_page(request, node, "certificate", next_path, form["who"], refused)
    async with node.db.transaction() as tx:
        opened = await certificates.sign_in_by(tx, node, form["who"], here)
    if isinstance(opened, tuple):
        return _way_page(request, node, "certificate", next_path, form["who"], opened)
    return await browser.take(request, node, ui.see_other(next_path), opened)


ROUTES = [mine, begin, stop, voice_page, certificate_page, by_voice, by_certificate]

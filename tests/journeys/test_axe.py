"""Every page that can be opened, in both modes: axe, target sizes, smallest words, titles, and no sideways scrolling.

The list of pages is the app's own list of GET routes. A route that is neither looked at nor named with a reason fails.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import asyncpg
import axe_playwright_python
import msgspec
import pytest

from tongban import consent, seals
from tongban.identity.actions import clients, guardians, mandates, provider
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules.mandates import Mandate
from tongban.identity.tests.make_clients import PROPOSER, Driver, register_client
from tongban.kernel.actor import Actor
from tongban.kernel.gm import Personal, Sm2PrivateKey
from tongban.kernel.ids import CreditCode, uuid7
from tongban.kernel.node import Node
from tongban.main import rooms
from tongban.main.demo.nation import Nation
from tongban.main.demo.tour import apps, desk, licence, person
from tongban.main.demo.tour.story import Story, one_time_code
from tongban.main.demo.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.nation]
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")
LOOK = Path(__file__).with_name("look.js").read_text("utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

NOT_A_PAGE = {
    "/.well-known/openid-configuration", "/api/items", "/api/items/{task_code:str}", "/api/search",
    "/api/transparency/consistency", "/api/transparency/head", "/api/transparency/heads", "/api/transparency/inclusion",
    "/api/transparency/witnessed", "/federation/chain", "/federation/crl", "/federation/directory", "/federation/enrol/{enrolment:str}",
    "/federation/letters", "/federation/snapshot", "/oidc/jwks", "/oidc/userinfo",
    "/login/passkey/options", "/me/devices/passkey/options", "/scan/state", "/staff/passkey/options",
    "/manifest.webmanifest", "/static/{name:str}", "/transparency/check_receipt.py", "/transparency/check_archive.py",
}  # fmt: skip
A_FILE = {
    "/apply/{draft_id:str}/receipt", "/cases/{case_id:str}/documents/{document_id:str}", "/cases/{case_id:str}/proof/{leaf:str}",
    "/desk/prints/{job_id:uuid}/picture.svg", "/desk/{case_id:str}/materials/{material_id:str}", "/me/data-use/{line_id:uuid}/receipt",
    "/me/materials/{material_id:str}", "/staff/disputes/{dispute:uuid}/files/{material:uuid}", "/staff/seals/{seal_id:uuid}/picture.png", "/staff/seals/requests/{request_id:uuid}/picture.svg",
    "/staff/seals/requests/{request_id:uuid}/document", "/staff/seals/requests/{request_id:uuid}/sealed", "/transparency/receipts/{leaf_id:uuid}",
    "/wallet/{card_id:uuid}/data.json", "/wallet/{card_id:uuid}/document.ofd", "/wallet/{card_id:uuid}/document.pdf", "/wallet/{card_id:uuid}/picture.svg",
    "/wallet/{card_id:uuid}/receipt.json", "/verify/offline/data.json", "/sw.js", "/staff/archive/batches/{batch_id:str}/to-sign.json",
}  # fmt: skip
GOES_ON = {  # answers with a redirect only, followed in the sign-in and roaming journeys
    "/login/go", "/login/initiate", "/step-up/go", "/oidc/authorize", "/oidc/callback/{home:str}", "/oidc/decline",
    "/discover", "/demo/sms",
}  # fmt: skip


NODE_ID = r"(?<![\d.:/])(?:500000|510000|\bmps\b|\bsamr\b)(?![\d.:])"
SHOWS_IDS = {"/staff/people/{member:str}", "/staff/proposals", "/staff/proposals/{proposal_id:uuid}", "/staff/nodes", "/staff/nodes/letters/{letter_id:str}", "/staff/reference", "/staff/login", "/staff/seals/{seal_id:uuid}"}  # operators, code lists, and the identifiers of seals
NOBODY, HER, BANK = "nobody@500000", "her@500000", "bank@500000"
PAGES: dict[str, tuple[tuple[str, str], ...]] = {  # who looks, and at which address; {names} are found by World
    "/": ((NOBODY, "/"), (HER, "/")),
    "/about": ((NOBODY, "/about"),),
    "/accessibility": ((NOBODY, "/accessibility"),),
    "/apply/{draft_id:str}/found": ((HER, "/apply/{draft}/found"),),
    "/apply/{draft_id:str}/submitted": ((HER, "/apply/{case}/submitted"),),
    "/apply/{draft_id:str}/{step:str}": tuple((HER, f"/apply/{{draft}}/{{step{at}}}") for at in range(8)),
    "/cases": ((HER, "/cases"),),
    "/cases/{case_id:str}": ((HER, "/cases/{case}"), ("second@500000", "/cases/{waiting}")),
    "/cases/{case_id:str}/correct": (("second@500000", "later:/cases/{waiting}/correct"),),
    "/cases/{case_id:str}/withdraw": (("second@500000", "/cases/{waiting}/withdraw"),),
    "/consent": ((HER, "{bank_asks}"), (HER, "{app_tells}")),
    "/consent/{ask_id:uuid}": ((HER, "{ask}"),),
    "/desk": (("CD-SJ-01@510000", "/desk"), ("CD-SJ-01@510000", "/desk?view=open")),
    "/desk/prints": (("YZ-DT-01@500000", "/desk/prints"),),
    "/desk/prints/{job_id:uuid}": (("YZ-DT-01@500000", "/desk/prints/{job}"),),
    "/desk/prints/{job_id:uuid}/paper": (("YZ-DT-01@500000", "/desk/prints/{job}/paper"),),
    "/desk/receive": (("YZ-DT-01@500000", "/desk/receive"),),
    "/desk/receive/{draft_id:str}": (("YZ-DT-01@500000", "{window}"),),
    "/desk/{case_id:str}": (
        ("CD-SJ-01@510000", "/desk/{waiting}"), ("CD-SJ-02@510000", "/desk/{case}"), ("WH-SJ-01@510000", "403:/desk/{waiting}"),
        ("CD-SJ-01@510000", "later:/desk/{waiting}"),
    ),
    "/dev/components": ((NOBODY, "/dev/components"),),
    "/help": ((NOBODY, "/help"),),
    "/info/{entry_id:str}": ((NOBODY, "{info}"),),
    "/login": ((NOBODY, "/login"),),
    "/login/code": (("coming@500000", "/login/code"),),
    "/login/elsewhere": ((NOBODY, "/login/elsewhere"),),
    "/login/later": ((NOBODY, "/login/later"),),
    "/login/name": (("named@500000", "/login/name"),),
    "/logout": ((NOBODY, "/logout"),),
    "/me": ((HER, "/me"),),
    "/levels": ((NOBODY, "/levels"), (HER, "/levels")),
    "/login/certificate": ((NOBODY, "/login/certificate"),),
    "/login/voice": ((NOBODY, "/login/voice"),),
    "/demo/providers": ((NOBODY, "/demo/providers"),),
    "/recover": ((NOBODY, "/recover"),),
    "/recover/confirm": (("plain@500000", "/recover/confirm"),),
    "/recover/hall": ((NOBODY, "/recover/hall"),),
    "/recover/stop/{word:str}": ((NOBODY, "/recover/stop/x"),),
    "/recover/wait": ((NOBODY, "/recover/wait"),),
    "/scan": ((NOBODY, "/scan"),),
    "/scan/{ident:str}": ((HER, "{scan}"),),
    "/unlock": (("locked@500000", "/unlock?next=/me"),),
    "/session/ending": ((HER, "/session/ending?next=/me"),),
    "/staff/login-plan": (("SC-JD-01@510000", "/staff/login-plan"),),
    "/staff/recovery": (("YZ-DT-01@500000", "/staff/recovery"),),
    "/theft": ((NOBODY, "/theft"),),
    "/me/lock": ((HER, "/me/lock"),),
    "/me/phone": ((HER, "/me/phone"),),
    "/me/voice": ((HER, "/me/voice"),),
    "/me/access": ((HER, "/me/access"),),
    "/me/consents": ((HER, "/me/consents"),),
    "/me/consents/{consent_id:uuid}": ((HER, "{consent}"),),
    "/me/data-use": ((HER, "/me/data-use"),),
    "/me/data-use/{line_id:uuid}/complaint": ((HER, "{complaint}"),),
    "/me/devices": ((HER, "/me/devices"),),
    "/me/agents": ((HER, "/me/agents"),),
    "/me/agents/confirm/{ask_id:uuid}": ((HER, "{guardian_ask}"),),
    "/me/agents/new": ((HER, "/me/agents/new"),),
    "/me/agents/{mandate_id:uuid}": ((HER, "{mandate}"),),
    "/me/agents/{mandate_id:uuid}/stop": ((HER, "{mandate}/stop"),),
    "/me/rights": ((HER, "/me/rights"),),
    "/me/closing": ((HER, "/me/closing"), ("her@510000", "/me/closing"), ("second@500000", "/me/closing")),
    "/closed/{link:str}": ((NOBODY, "/closed/a2b3c4d5"),),
    "/me/copies": ((HER, "/me/copies"),),
    "/me/copies/{copy_id:str}": ((HER, "{copy}"),),
    "/me/switch": ((HER, "/me/switch"),),
    "/me/disputes": ((HER, "/me/disputes"),),
    "/me/disputes/new": ((HER, "/me/disputes/new"),),
    "/me/disputes/{dispute:uuid}": ((HER, "{dispute}"),),
    "/me/home": ((HER, "/me/home"), ("her@510000", "/me/home")),
    "/me/materials": ((HER, "/me/materials"),),
    "/me/archives": ((HER, "/me/archives"),),
    "/messages": ((HER, "/messages"),),
    "/messages/{message_id:uuid}": ((HER, "{message}"),),
    "/oidc/logout": ((HER, "/oidc/logout"), (NOBODY, "/oidc/logout")),
    "/privacy": ((NOBODY, "/privacy"),),
    "/region": ((NOBODY, "/region"), (NOBODY, "/region?q=成都")),
    "/review/{case_id:uuid}": ((HER, "/review/{case}"), (HER, "later:/review/{case}")),
    "/reviews": ((NOBODY, "/reviews"), ("nobody@510000", "later:/reviews")),
    "/s/{task_code:str}": ((NOBODY, "/s/{item}"), (HER, "/s/{item}"), (NOBODY, "404:/s/11510100DEM000014N9999999999999")),
    "/search": ((NOBODY, "/search?q=开公司"), (NOBODY, "/search?q=长辈版"), (NOBODY, "/search?q=没有这种事项吧"), (NOBODY, "/search")),
    "/services": ((NOBODY, "/services"),),
    "/staff/apps": (("SC-YY-01@510000", "/staff/apps"),),
    "/staff/apps/new": (("SC-YY-01@510000", "/staff/apps/new"),),
    "/staff/apps/{app_id:uuid}": (("SC-YY-02@510000", "{app}"),),
    "/staff/apps/{app_id:uuid}/edit": (("SC-YY-01@510000", "{draft_app}/edit"),),
    "/staff/audit": (("SC-GX-01@510000", "/staff/audit"),),
    "/staff/readings": (("SC-GX-01@510000", "/staff/readings"),),
    "/staff/log": (("SC-GX-01@510000", "/staff/log"),),
    "/staff/archive": (("SC-YZ-01@510000", "/staff/archive"),),
    "/staff/archive/batches/{batch_id:str}": (("SC-YZ-01@510000", "{batch}"),),
    "/staff/clients": (("CQ-YY-01@500000", "/staff/clients"),),
    "/staff/clients/changes/{change_id:uuid}": (("CQ-YY-02@500000", "{client_change}"),),
    "/staff/clients/new": (("CQ-YY-01@500000", "/staff/clients/new"),),
    "/staff/clients/{client_id:str}": (("CQ-YY-01@500000", "{client}"), ("CQ-YY-02@500000", "{client}")),
    "/staff/clients/{client_id:str}/edit": (("CQ-YY-01@500000", "{client}/edit"),),
    "/staff/counter": (("YZ-DT-01@500000", "/staff/counter"),),
    "/staff/disputes": (("GA-HJ-01@mps", "/staff/disputes"),),
    "/staff/disputes/{dispute:uuid}": (("GA-HJ-01@mps", "{desk_dispute}"),),
    "/staff/emergency": (("CQ-ZB-01@500000", "/staff/emergency"), ("CQ-AQ-01@500000", "/staff/emergency")),
    "/staff/emergency/{glass_id:uuid}": (("CQ-ZB-01@500000", "{glass}"), ("CQ-AQ-01@500000", "{glass}")),
    "/staff/join": (("nobody@510000", "/staff/join"),),
    "/staff/key": (("CQ-RS-01@500000", "/staff/key"),),
    "/staff/people": (("CQ-RS-01@500000", "/staff/people"),),
    "/staff/people/{member:str}": (("CQ-RS-01@500000", "{member}"),),
    "/staff/proposals": (("CQ-JD-01@500000", "/staff/proposals"), ("CQ-RS-02@500000", "/staff/proposals")),
    "/staff/proposals/{proposal_id:uuid}": (("CQ-RS-01@500000", "{proposal}"), ("CQ-RS-02@500000", "{proposal}")),
    "/staff/credentials": (("CD-SJ-04@510000", "/staff/credentials"),),
    "/staff/credentials/{credential_id:uuid}": (("CD-SJ-04@510000", "{issued}"),),
    "/staff/credentials/{credential_id:uuid}/{operation:str}": (("SC-ZZ-01@510000", "{issued}/renew"),),
    "/staff/licences/new": (("SC-ZZ-01@510000", "/staff/licences/new"), ("SC-ZZ-01@510000", "/staff/licences/new?type=11990000TB0000001E007")),
    "/staff/licence-types": (("SC-ZZ-01@510000", "/staff/licence-types?show=own"),),
    "/staff/licence-types/{code:str}": (("SC-ZZ-01@510000", "/staff/licence-types/11990000TB0000001E007"),),
    "/staff/status-lists": (("SC-ZZ-01@510000", "/staff/status-lists"),),
    "/staff/mandates": (("YZ-DT-01@500000", "/staff/mandates"),),
    "/staff/mandates/alerts": (("CQ-AQ-02@500000", "/staff/mandates/alerts"),),
    "/staff/login": (("nobody@510000", "/staff/login"),),
    "/staff/nodes": (("SC-JD-01@510000", "/staff/nodes"),),
    "/staff/nodes/letters/{letter_id:str}": (("SC-JD-01@510000", "{letter}"),),
    "/staff/retention": (("SC-JD-01@510000", "/staff/retention"),),
    "/staff/holds": (("CQ-YZ-01@500000", "/staff/holds"),),
    "/staff/holds/{hold_id:uuid}": (("CQ-YZ-02@500000", "{hold}"),),
    "/staff/reference": (("SC-YY-01@510000", "/staff/reference"),),
    "/staff/reviews": (("SC-PJ-01@510000", "later:/staff/reviews"),),
    "/staff/reviews/{review_id:uuid}": (("SC-PJ-01@510000", "later:{bad_review}"),),
    "/staff/seals": (("SC-YZ-01@510000", "/staff/seals"),),
    "/staff/seals/{seal_id:uuid}": (("SC-YZ-01@510000", "{seal}"), ("SC-YZ-02@510000", "{kept_seal}")),
    "/staff/seals/apply": (("SC-YZ-01@510000", "/staff/seals/apply"),),
    "/staff/seals/applications/{application_id:uuid}": (("SC-YZ-02@510000", "{seal_application}"),),
    "/staff/seals/{seal_id:uuid}/use": (("SC-YZ-02@510000", "{kept_seal}/use"),),
    "/staff/seals/requests/{request_id:uuid}": (("SC-YZ-02@510000", "{seal_request}"),),
    "/check-seal": ((NOBODY, "/check-seal"),),
    "/staff/sharing": (("SC-GX-01@510000", "/staff/sharing"),),
    "/staff/sharing/complaints": (("SC-GX-01@510000", "/staff/sharing/complaints"),),
    "/staff/sharing/complaints/{complaint_id:uuid}": (("SC-GX-01@510000", "{sharing_complaint}"),),
    "/staff/sharing/corrections": (("CQ-GX-01@500000", "/staff/sharing/corrections"),),
    "/staff/sharing/corrections/{correction_id:uuid}": (("CQ-GX-01@500000", "{sharing_correction}"),),
    "/staff/sharing/demands": (("SC-GX-01@510000", "/staff/sharing/demands"),),
    "/staff/sharing/demands/new": (("SC-GX-01@510000", "/staff/sharing/demands/new?resource=mps.population"),),
    "/staff/sharing/demands/{demand_id:uuid}": (("SC-GX-01@510000", "{sharing_demand}"),),
    "/staff/sharing/log": (("CQ-GX-01@500000", "/staff/sharing/log"),),
    "/staff/sharing/resources": (("SC-GX-01@510000", "/staff/sharing/resources"),),
    "/staff/sharing/resources/new": (("SC-GX-01@510000", "/staff/sharing/resources/new"),),
    "/staff/sharing/resources/{resource_id:str}": (
        ("SC-GX-01@510000", "/staff/sharing/resources/mps.population"), ("SC-GX-01@510000", "/staff/sharing/resources/510000.marriage"),
    ),
    "/scanner": ((NOBODY, "/scanner"),),
    "/staff/verifiers": (("CQ-YY-01@500000", "/staff/verifiers"),),
    "/staff/verifiers/reports": (("CQ-YY-01@500000", "/staff/verifiers/reports"),),
    "/step-up": (("second@500000", "/step-up?level=4&next=/me"), ("plain@500000", "/step-up?level=3&next=/me")),
    "/transparency": ((NOBODY, "/transparency"),),
    "/verify": ((BANK, "/verify"), (NOBODY, "/verify")),
    "/verify/offline": ((NOBODY, "/verify/offline"),),
    "/verify/paper/{order_id:uuid}": (("nobody@510000", "/verify/paper/{job}"),),
    "/verify/purpose": ((BANK, "/verify/purpose"),),
    "/verify/register": ((NOBODY, "/verify/register"),),
    "/wallet": ((HER, "/wallet"),),
    "/wallet/{card_id:uuid}": ((HER, "{card}"),),
    "/wallet/offline": ((NOBODY, "/wallet/offline"),),
    "/wallet/{card_id:uuid}/offline": ((HER, "{card}/offline"),),
    "/wallet/{card_id:uuid}/records": ((HER, "{card}/records"),),
    "/wallet/{card_id:uuid}/history": ((HER, "{card}/history"),),
    "/wallet/{card_id:uuid}/show": ((HER, "{card}/show"),),
}  # fmt: skip


def get_routes() -> set[str]:
    """Every path this app answers to GET."""
    found: set[str] = set()
    for one in rooms.routes():
        doors = [(each.path, handler) for each in one.routes for handler in each.route_handlers] if hasattr(one, "routes") else [(path, one) for path in one.paths]
        found |= {path for path, handler in doors if "GET" in getattr(handler, "http_methods", ())}
    return found


async def test_every_route_is_named() -> None:
    named, routes = NOT_A_PAGE | A_FILE | GOES_ON | set(PAGES), get_routes()
    assert routes - named == set(), "a new page: add it to PAGES, or say why it is none"
    assert named - routes == set(), "no longer a route"


async def handed_over(connection: asyncpg.Connection) -> str:
    """A package in a hand-over that waits for its receipt, as two archivists would have left it: the id of the batch."""
    batch, key = uuid7(), Sm2PrivateKey.generate().public.spki
    await connection.execute(
        "INSERT INTO archive_batch (id, receiver, receiver_key, division, org_code, proposal, proposed_by, approved_by, state, made_at)"
        " VALUES ($1, '成都市档案馆（演示）', $2, '510000', '', $1, 's1a', 's1b', 'approved', now())", batch, key,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO archive (subject, id, case_id, number, item_name, org_code, division, term, ended_on, state, digest, leaf, address, content_key,"
        " byte_count, file_count, made_at, batch) VALUES ('n1archived', $1, $2, '5100002026111800000012', '居住证签注', '', '510000', '10', '2026-09-01',"
        " 'approved', 'sm3:x', $1, 'gone:x', '', 1000, 7, now(), $3)", uuid7(), uuid7(), batch,
    )  # fmt: skip
    return batch


class World:
    """A nation in which every kind of thing exists once, and the browsers of those who may look at it."""

    def __init__(self, one: Story, two: Story, three: Story) -> None:
        self.one, self.two, self.three = one, two, three
        self.found: dict[str, str] = {}

    async def look_for(self, name: str, who: Visitor, url: str, part: str) -> None:
        """Keep the first address with `part` in it that the page at `url` links to."""
        page = await who.get(url)
        self.found[name] = next((urljoin(page.url, href) for _, href in page.links if part in href and not href.endswith(part)), f"no {part} at {url}")

    async def build(self) -> None:
        """The tour as far as a licence that was shown; a second person's case that waits; a third half signed in."""
        one, two, found = self.one, self.two, self.found
        page = await one.browser("visitor").get(one.home + "/search?q=内资公司设立登记")
        found["item"] = one.kept["item"] = two.kept["item"] = next(href for _, href in page.links if href.startswith("/s/")).split("/")[2]
        for story in (one, two):
            await story.browser("her").get(f"{story.home}/s/{found['item']}")
            for step in (_signed_in, person.fill, person.submit):
                await step(story)
        await person.delivered(two)
        for _, step in desk.STEPS[1:]:
            await step(one)
        for step in (licence.in_wallet, licence.bank_registers, licence.shown):
            await step(one)
        found.update(case=one.kept["case"], waiting=two.kept["case"], card=one.kept["card"])
        await self._draft()
        await self._people()
        await self._staff()
        await self._print()
        page = await one.browser("her").get(f"{one.owner}/me?from=500000")  # what a visitor reads at another node
        assert page.url.startswith(f"{one.owner}/me"), page.url

    async def _draft(self) -> None:
        her, found = self.one.browser("her"), self.found
        page = await her.get(f"{self.one.home}/s/{found['item']}")
        page = await her.submit(page.form(action="/apply"))
        found["draft"], steps = page.url.split("/")[-2], []
        for _ in range(12):
            steps.append(page.url.rsplit("/", 1)[1])
            if steps[-1] == "check":
                break
            form = next(one for one in page.forms if ("_act", "next") in one.buttons)
            files = {name: ("材料（演示）.png", person.PICTURE, "image/png") for name in form.choices if name.startswith("material-")}
            page = await her.submit(form, person.answers(self.one, form), button=("_act", "next"), files=files)
        for at in range(8):
            found[f"step{at}"] = steps[min(at, len(steps) - 1)]

    async def _people(self) -> None:
        one, her = self.one, self.one.browser("her")
        page = await her.get(one.home + "/me/disputes/new")
        page = await her.submit(page.form(has="claimed"), {"attribute": "address", "claimed": "重庆市演示路 2 号（演示）", "note": "门牌号写错了"})
        self.found["dispute"] = page.url
        page = await her.get(one.home + "/me/copies")
        page = await her.submit(next(form for form in page.forms if ("kind", "simple") in form.fields))
        self.found["copy"] = page.url
        await self.look_for("message", her, one.home + "/messages", "/messages/")
        await self.look_for("info", one.browser("visitor"), one.home + "/search?q=居住证", "/info/")
        coming, named, plain, locked = (self.three.browser(role) for role in ("coming", "named", "plain", "locked"))
        for who in (coming, named):
            page = await who.get(one.home + "/login")
            page = await who.submit(page.form(has="who"), {"who": self.three.person.phone if who is coming else "13877770001"})
        form = page.form(has="code")
        await named.submit(form, {"code": one_time_code(page), "number": self.three.person.number})
        for who in (plain, locked):
            await person.sign_in_with(who, await who.get(one.home + "/login"), self.three.person)
        page = await plain.get(one.home + "/me/phone")
        await plain.submit(page.form(has="phone"), {"phone": "13877770002"})
        pc = self.three.browser("pc")
        await pc.get(one.home + "/scan?new=1")
        self.found["scan"] = "/scan/" + pc.cookies["500000.localhost"]["__Host-tb_tx"].partition(".")[2]

    async def unlinked(self, nation: Nation) -> None:
        """What no page of the story links to: a consent that is asked, one that was given, a letter that came."""
        connection = await asyncpg.connect(nation.settings("510000").database_url)
        try:
            self.found["letter"] = f"/staff/nodes/letters/{await connection.fetchval('SELECT id FROM letter_applied LIMIT 1')}"
            self.found["batch"] = f"/staff/archive/batches/{await handed_over(connection)}"
        finally:
            await connection.close()
        async with Node.open(nation.settings("500000")) as node, node.db.transaction() as tx:
            subject = await tx.fetchval("SELECT subject FROM draft WHERE id = $1", self.found["draft"])
            wanted = consent.Ask(
                purpose="case.prefill.housing", why="填居住证签注的地址", giver="510000", giver_name="四川省住房登记（演示）", receiver="500000",
                receiver_name="重庆市公安局（演示）", fields=("房屋地址", "租住起止日期"), until=node.clock.now() + timedelta(days=30),
            )  # fmt: skip
            self.found["ask"] = self.one.home + await consent.ask(tx, node, subject, wanted, back="/me")
            actor = Actor(kind="citizen", subject=subject, acr=2)
            other = msgspec.structs.replace(wanted, purpose="case.prefill.medical", why="填参保信息")
            given = await consent.give(tx, node, actor, other, channel="h5")
            self.found["consent"] = f"{self.one.home}/me/consents/{given.id}"
            await self._mandate(tx, node, msgspec.structs.replace(actor, acr=3, home=node.id))
            # what lasts a minute in life is looked at for as long as this takes
            await tx.execute("UPDATE scan_login SET expires_at = now() + interval '1 hour'")
            value = self.three.browser("locked").cookies["500000.localhost"]["__Host-tb_s"]
            await tx.execute("UPDATE session SET locked_at = now() WHERE cookie_hash = $1", hashed(value))
        async with Node.open(nation.settings("500000")) as node:
            await self._clients(node)

    async def _mandate(self, tx: Any, node: Node, her: Actor) -> None:
        """Somebody she asked to act for her, and a child's act that waits for her."""
        second = self.two.person
        agent = mandates.Agent(subject="n1" + "q" * 32, home=node.id, name=Personal(second.name))
        wanted = mandates.Wanted(set_name="养老常办", acts=("view", "draft", "submit"), days=30)
        made = await mandates.grant(tx, node, her, agent, wanted, names={})
        assert isinstance(made, Mandate), made
        self.found["mandate"] = f"/me/agents/{made.id}"
        ask = uuid7()
        await guardians.put_ask(tx, node, {
            "id": ask, "subject": "n1" + "w" * 32, "guardian": her.subject, "about": f"draft:{ask}", "what": "社会保障卡申领", "name": "演示孩子",
            "home": node.id, "until": node.clock.ms() + 86_400_000,
        }, node.id)  # fmt: skip
        self.found["guardian_ask"] = f"/me/agents/confirm/{ask}"

    async def _clients(self, node: Node) -> None:
        """An outside party that asks for three things, a government app that tells once, and a change that waits."""
        scopes = ("openid", "profile", "phone", "age_over")
        bank = await register_client(node, kind="outside", profile="fapi2", name="演示银行", scopes=scopes, required=("name",), division="500000")
        app = await register_client(node, name="演示社保应用", scopes=("openid", "profile"))
        for name, one in (("bank_asks", bank), ("app_tells", app)):
            driver = Driver(node, one)
            async with node.db.transaction() as tx:
                uri = await provider.push(tx, node, one.client, driver.asked(), "")
                await tx.execute("UPDATE oidc_request SET expires_at = expires_at + interval '1 hour'")
            self.found[name] = f"{self.one.home}/consent?{urlencode({'client_id': one.id, 'request_uri': uri})}"
        async with node.db.transaction() as tx:
            change = await clients.propose(tx, node, PROPOSER, msgspec.structs.replace(bank.client, keeps="账户销了 5 年"))
        assert not isinstance(change, tuple)
        self.found["client"] = f"/staff/clients/{bank.id}"
        self.found["client_change"] = f"/staff/clients/changes/{change.id}"

    async def _seals(self, first: Visitor, second: Visitor, owner: str) -> None:
        """A seal for two that is kept, a document put forward, and one more application."""
        wanted = {"org_name": "成都市演示工作局", "purpose": "对外发文（演示）", "basis": "演示〔2026〕1 号", "keeper": "SC-YZ-02"}
        for at, name in enumerate(("演示专用章（一）", "演示专用章（二）")):
            page = await first.get(owner + "/staff/seals/apply")
            page = await first.submit(page.form(has="org_name"), {**wanted, "org_code": CreditCode.make("12", "510100", f"MA99990{at:02d}").value, "name": name, "two_persons": "yes"})
            self.found["seal_application"] = page.url
            if name.endswith("（一）"):
                await second.get(page.url)
                await second.submit(second.page.form(has="reason"), button=("act", "agree"))
                page = await first.get(page.url)
                page = await first.submit(next(one for one in page.forms if one.action.endswith("/make")))
                seal = self.found["kept_seal"] = page.url
                page = await second.get(seal)
                await second.submit(next(one for one in page.forms if "/hand-over/" in one.action), button=("act", "accept"))
        page = await first.get(seal + "/use")
        text = seals.Text(30, 40, "通知书（演示）")
        paper = seals.build_ofd(seals.Document("d", "通知书（演示）", "演示单位", datetime(2026, 11, 18, tzinfo=UTC), (seals.Page((text,)),)))
        page = await first.submit(
            page.form(has="purpose"), {"title": "通知书（演示）", "purpose": "对外发文", "about": "演示函 1 号"}, files={"file": ("a.ofd", paper, "application/ofd")}
        )
        self.found["seal_request"] = page.url

    async def _staff(self) -> None:
        one, found = self.one, self.found
        for role, node in {who.split("@")[0]: who.split("@")[1] for pages in PAGES.values() for who, _ in pages if "-" in who}.items():
            await one.staff(role, node, role)
        owner = one.owner
        await self.look_for("app", one.browser("SC-YY-02"), owner + "/staff/apps", "/staff/apps/0")
        registrar = one.browser("SC-YY-01")
        page = await registrar.get(owner + "/staff/apps/new")
        values = apps.app_fields(page.form(has="items"), found["item"], "没写完的应用（演示）")
        page = await registrar.submit(page.form(has="items"), values, button=("act", "register"))
        found["draft_app"] = page.url
        await self.look_for("issued", one.browser("CD-SJ-04"), owner + "/staff/credentials", "/staff/credentials/")
        for _ in range(100):
            await self.look_for("desk_dispute", one.browser("GA-HJ-01"), one.addresses["mps"] + "/staff/disputes", "/staff/disputes/")
            if found["desk_dispute"].startswith("http"):
                break
            await asyncio.sleep(0.2)
        await self.look_for("seal", one.browser("SC-YZ-01"), owner + "/staff/seals", "/staff/seals/0")
        await self._seals(one.browser("SC-YZ-01"), one.browser("SC-YZ-02"), owner)
        await self._sharing(one.browser("SC-GX-01"), one.browser("CQ-GX-01"))
        await self._hold(one.browser("CQ-YZ-01"), one.browser("CQ-YZ-02"))
        boss, duty = one.browser("CQ-RS-01"), one.browser("CQ-ZB-01")
        page = await boss.get(one.home + "/staff/people")
        found["member"] = next(urljoin(page.url, href) for text, href in page.links if text == "CQ-PJ-01")
        page = await boss.get(found["member"])
        page = await boss.submit(page.form(has="role"), {"role": "auditor", "division": "500000", "org": ""})
        found["proposal"] = page.url
        page = await duty.get(one.home + "/staff/emergency")
        form = page.form(has="told")
        page = await duty.submit(form, {"reason": "life", "said": "居民报警，屋里可能有人昏倒", "told": next(each for each in form.choices["told"] if each)})
        found["glass"] = page.url
        clerk = one.browser("YZ-DT-01")
        page = await clerk.get(one.home + "/desk/receive")
        form = page.form(has="task_code")
        page = await clerk.submit(form, {"task_code": next(each for each in form.choices["task_code"] if each), "number": self.three.person.number, "name": self.three.person.name})
        found["window"] = page.url

    async def _hold(self, first: Visitor, second: Visitor) -> None:
        """A person whose things are kept a while longer, proposed by one and approved by another."""
        page = await first.get(self.one.home + "/staff/holds")
        until = (datetime.now(UTC) + timedelta(days=90)).date().isoformat()
        page = await first.submit(page.form(has="basis"), {
            "number": self.three.person.number, "name": self.three.person.name, "basis": "演示法第一条，演示文书 1 号", "reason": "演示案件要用",
            "until": until, "shown": "yes",
        })  # fmt: skip
        await second.get(page.url)
        await second.submit(second.page.form(has="digest"), button=("act", "approve"))
        await self.look_for("hold", second, self.one.home + "/staff/holds", "/staff/holds/")

    async def _sharing(self, asks: Visitor, corrects: Visitor) -> None:
        """A demand that waits at 公安部, and a correction asked about a value that came here."""
        page = await asks.get(self.one.owner + "/staff/sharing/demands/new?resource=mps.household")
        page = await asks.submit(page.form(has="purpose_words"), {
            "fields": "address", "purpose_words": "核对住址（演示）", "basis": "居住证暂行条例（演示）", "volume_per_day": "20", "until": "2027-06-30",
        })  # fmt: skip
        self.found["sharing_demand"] = page.url
        page = await corrects.get(self.one.home + "/staff/audit")
        line = next(href.partition("line=")[2] for _, href in page.links if "corrections?line=" in href)
        page = await corrects.get(f"{self.one.home}/staff/sharing/corrections?line={line}")
        page = await corrects.submit(page.form(has="claimed"), {
            "field": "mps.population:name", "claimed": "演示陈小雨", "grounds": "看过身份证（演示）",
        })  # fmt: skip
        self.found["sharing_correction"] = page.url
        her = self.one.browser("her")
        page = await her.get(self.one.home + "/me/data-use")
        lines = [urljoin(page.url, href) for _, href in page.links if href.endswith("/complaint")][:8]
        self.found["complaint"] = lines[-1]  # one still to be sent; the others are, so that one of them is the owner's of the case
        for line in lines[:-1]:
            page = await her.get(line)
            await her.submit(page.form(has="words"), {"words": "那天我没有办过事（演示）"})
        for _ in range(50):  # by letter
            await self.look_for("sharing_complaint", asks, self.one.owner + "/staff/sharing/complaints", "/staff/sharing/complaints/")
            if self.found["sharing_complaint"].startswith("http"):
                break
            await asyncio.sleep(0.2)

    async def _print(self) -> None:
        """A paper that is printed and not yet handed over."""
        one, her, clerk = self.one, self.one.browser("her"), self.one.browser("YZ-DT-01")
        page = await her.get(one.kept["card"])
        await her.submit(desk.act(page, "print"), {"hall": licence.HALL})
        for _ in range(100):
            page = await clerk.get(one.home + "/desk/prints")
            jobs = [href for text, href in page.links if "/desk/prints/" in href and one.kept["company"][:4] in text]
            page = await her.get(one.kept["card"])
            code = re.search(r"取证码\D{0,12}(\d{4} ?\d{4})", page.text)
            if jobs and code:
                break
            await asyncio.sleep(0.1)
        assert jobs, page.text
        assert code, page.text
        page = await clerk.get(one.home + jobs[-1])
        self.found["job"] = page.url.rsplit("/", 1)[1]
        page = await clerk.submit(
            desk.act(page, "print"), {"identity": "yes", "code": code[1], "blank_no": f"CQ{int(time.time() * 1000) % 10**10:010d}"}
        )
        assert page.status < 400, page.text

    async def later(self) -> None:
        """A bad review, and a correction asked of the second person."""
        one, two, her = self.one, self.two, self.one.browser("her")
        page = await her.get(f"{one.home}/review/{one.kept['case']}")
        await her.submit(page.form(has="grade"), {"grade": "1", "text": "跑了两趟（演示）"})
        await desk.ask_correction(two)
        await two.until(lambda: two.browser("her").get(f"{two.home}/cases/{two.kept['case']}"), "补", seconds=15)
        lead = one.browser("SC-PJ-01")
        await one.until(lambda: lead.get(one.owner + "/staff/reviews"), "跑了两趟", seconds=20)
        await self.look_for("bad_review", lead, one.owner + "/staff/reviews", "/staff/reviews/")

    def visitor(self, who: str) -> Visitor:
        """The browser behind a name of PAGES."""
        role = who.split("@", maxsplit=1)[0]
        if role == "second":
            return self.two.browser("her")
        if role in {"coming", "named", "plain", "locked"}:
            return self.three.browser(role)
        return self.one.browser(role)


async def _signed_in(story: Story) -> None:
    page = await story.browser("her").follow("/login")
    await person.sign_in_with(story.browser("her"), page, story.person)


class Eyes:
    """Browser pages that look at a page of each sort of person, in both modes, and write down what is wrong."""

    def __init__(self, chromium: Any, world: World, lending: Any) -> None:
        self.chromium, self.world, self.lending = chromium, world, lending
        self.pages: dict[tuple[str, str], Any] = {}
        self.wrong: list[str] = []
        self.titles: dict[tuple[str, str], set[str]] = {}
        self.done: set[tuple[str, str]] = set()
        self.looked = 0

    async def page(self, who: str, mode: str) -> Any:
        if (who, mode) not in self.pages:
            context = await self.chromium.new_context(viewport={"width": 390, "height": 844}, bypass_csp=True, locale="zh-CN")
            page = await context.new_page()
            page.set_default_timeout(20_000)
            await self.lending(page, self.world.visitor(who))
            if mode:
                base = self.world.one.addresses[who.split("@")[1]]
                await context.add_cookies([{"name": "tb_mode", "value": mode, "url": base}])
            self.pages[who, mode] = page
        return self.pages[who, mode]

    async def close(self) -> None:
        for page in self.pages.values():
            await page.context.close()

    async def look(self, template: str, who: str, address: str, mode: str) -> None:
        """Open one page and note every defect."""
        status, _, rest = address.partition(":") if address[:3].isdigit() else ("200", "", address)
        url = urljoin(self.world.one.addresses[who.split("@")[1]], rest.format_map(self.world.found))
        name = f"{template} {who} {mode or 'normal'} {rest}"
        page = await self.page(who, mode)
        staff = "-" in who.split("@", maxsplit=1)[0] or template.startswith("/staff")
        await page.set_viewport_size({"width": 1280, "height": 800} if staff else {"width": 390, "height": 844})
        try:
            answer = await page.goto(url)
        except Exception as error:  # a page that is a download or nothing at all
            self.wrong.append(f"{name}: {url} {str(error).splitlines()[0]}")
            return
        if answer is None or str(answer.status) != status:
            self.wrong.append(f"{name}: status {answer and answer.status} at {page.url}: {(await page.title())}")
            return
        if (mode, page.url) in self.done:
            return
        self.done.add((mode, page.url))
        self.looked += 1
        elder = mode == "elder"
        seen = await page.evaluate(f"({LOOK.strip()})({{least: {60 if elder else 44}, font: {18 if elder else 14}}})")
        if elder and seen["mode"] != "elder":
            if not staff:
                self.wrong.append(f"{name}: not in elder mode")
            return
        if template not in SHOWS_IDS and (raw := re.findall(NODE_ID, await page.locator("body").inner_text())):
            self.wrong.append(f"{name}: a node is called {sorted(set(raw))}, not by its name")
        if not staff:
            self.wrong += [f"{name}: small {one}" for one in seen["small"]]
        self.wrong += [f"{name}: tiny {one}" for one in seen["tiny"]]
        if seen["h1"] != 1 or seen["lang"] != "zh-CN" or seen["dead"]:
            self.wrong.append(f"{name}: {seen['h1']} h1, lang {seen['lang']}, {seen['dead']} dead links")
        if status == "200":
            self.titles.setdefault((mode, seen["title"]), set()).add(template)
        await page.evaluate(AXE)
        found = await page.evaluate("tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", TAGS)
        for one in found["violations"]:
            nodes = [f"{node['html'][:140]} {(node['any'] or node['all'] or node['none'] or [{'message': ''}])[0]['message'][:120]}" for node in one["nodes"][:3]]
            self.wrong.append(f"{name}: axe {one['id']} ×{len(one['nodes'])}: {nodes}")
        if not staff:
            await page.set_viewport_size({"width": 320, "height": 640})
            wide = await page.evaluate("document.documentElement.scrollWidth")
            if wide > 320:
                self.wrong.append(f"{name}: {wide} px wide at 320")


async def test_every_page_in_both_modes(nation: Nation, chromium: Any, invent: Callable[[], Awaitable[Story]], lending: Any) -> None:
    world = World(await invent(), await invent(), await invent())
    await world.build()
    await world.unlinked(nation)
    eyes = Eyes(chromium, world, lending)
    try:
        for later in (False, True):
            if later:
                await world.later()
                eyes.done.clear()
            for template, visits in PAGES.items():
                for who, address in visits:
                    if address.startswith("later:") != later:
                        continue
                    modes = ("",) if "-" in who.split("@")[0] else ("", "elder")  # a desk has one density
                    await asyncio.gather(*(eyes.look(template, who, address.removeprefix("later:"), mode) for mode in modes))
    finally:
        print("\n".join(eyes.wrong))
        await eyes.close()
    for (mode, title), templates in eyes.titles.items():
        if len(templates) > 1:
            eyes.wrong.append(f"title “{title}” {mode} on {sorted(templates)}")
    assert eyes.wrong == [], f"{len(eyes.wrong)} defects on {eyes.looked} pages:\n" + "\n".join(eyes.wrong)

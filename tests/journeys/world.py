"""A nation in which every kind of thing exists once, so that every page has something to show."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urljoin

import asyncpg
import msgspec

from tongban import consent, seals
from tongban.identity.actions import clients, confirming, mandates, provider
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules.mandates import Mandate
from tongban.identity.tests.make_clients import PROPOSER, Driver, register_client
from tongban.kernel.actor import Actor
from tongban.kernel.gm import Personal, Sm2PrivateKey
from tongban.kernel.ids import CreditCode, uuid7
from tongban.kernel.node import Node
from tongban.main.demo.nation import Nation
from tongban.main.demo.tour import apps, desk, licence, person
from tongban.main.demo.tour.story import Story, one_time_code
from tongban.main.demo.visitor import Visitor

from .pages import PAGES


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
            self.found["reading"] = f"/staff/readings/{await connection.fetchval('SELECT id FROM access_reason LIMIT 1')}/whom"
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
        await confirming.put_ask(tx, node, {
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
        page = await clerk.get(one.home + "/staff/rights")
        page = await clerk.submit(page.form(has="kind"), {"number": self.three.person.number, "name": self.three.person.name, "kind": "copy"})
        found["right"] = page.url

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
        lines = [urljoin(page.url, href) for _, href in page.links if "/complaint?at=" in href][:8]
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

"""Attacks by staff, played on the pages of one node: each test is named after its row of docs/threat-model.md."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from tongban import consent
from tongban.cases.tests import make as cases
from tongban.identity.queries import staff as queries
from tongban.main import menu
from tongban.main.app import build_app, metrics_key
from tongban.main.set_up import set_up

HER, HER_NAME, HER_NUMBER = cases.XIAOYU, "演示陈晓雨", cases.NUMBER
# a page of the back office -> the staff actions of which one opens it; () = every member of staff
PAGES: dict[str, tuple[str, ...]] = {
    "/desk": (), "/desk/prints": ("credentials.print",), "/desk/receive": ("cases.window",), "/staff/apps": ("service_apps.see", "service_apps.register"),
    "/staff/archive": ("evidence.archive_see",), "/staff/log": ("transparency.see",), "/staff/readings": ("identity.audit_see",),
    "/staff/verifiers/reports": ("credentials.verifiers",), "/staff/audit": ("exchange.audit",), "/staff/counter": ("identity.counter_check",), "/staff/credentials": ("credentials.see",),
    "/staff/licence-types": ("credentials.types", "exchange.propose"), "/staff/licences/check": ("credentials.check_file",), "/staff/status-lists": ("credentials.types",),
    "/staff/clients": ("identity.client_see",), "/staff/disputes": ("identity.dispute_decide", "identity.dispute_confirm"), "/staff/emergency": (), "/staff/key": (), "/staff/login-plan": (),
    "/staff/mandates": ("identity.hall_mandate",),
    "/staff/mandates/alerts": ("identity.alerts",), "/staff/nodes": ("federation.see",), "/staff/people": ("identity.staff_see",), "/staff/proposals": (),
    "/staff/rights": ("privacy.desk_ask",), "/staff/rights/relative": ("privacy.desk_ask",),
    "/staff/holds": ("privacy.hold_propose", "privacy.hold_approve"), "/staff/retention": ("privacy.retention_see",),
    "/staff/recovery": ("identity.counter_check", "identity.theft_report"), "/staff/reference": (), "/staff/reviews": ("feedback.see", "feedback.handle"), "/staff/seals": ("seals.see",), "/staff/seals/apply": ("seals.apply",),
    "/staff/sharing": ("exchange.propose", "exchange.approve"), "/staff/sharing/complaints": ("exchange.propose", "exchange.approve"),
    "/staff/sharing/corrections": ("exchange.propose", "exchange.approve"),
    "/staff/sharing/demands": ("exchange.propose", "exchange.approve"), "/staff/sharing/log": ("exchange.audit",),
    "/staff/sharing/resources": ("exchange.propose", "exchange.approve"), "/staff/verifiers": ("credentials.verifiers",),
}  # fmt: skip
CLERKS = ("CQ-YY-01", "CQ-YY-02", "YZ-GA-01", "YZ-GA-03", "YZ-DT-01", "CQ-YZ-01", "CQ-GX-01", "CQ-PJ-01", "CQ-JD-01", "CQ-RS-01", "CQ-AQ-01", "CQ-ZB-01", "CQ-ZZ-01")


def token_of(text: str) -> str:
    found = re.search(r'name="tb_token" value="([^"]+)"', text)
    assert found, text[:300]
    return found[1]


async def lines(house: Any) -> list[Any]:
    async with house.node.db.reading() as tx:
        return list(await consent.lines(tx, house.node.id, HER, limit=1000, now=house.node.clock.now()))


@pytest.mark.parametrize("staff_no", CLERKS)
async def test_t61_each_role_opens_its_pages_and_no_other(house: Any, staff_no: str) -> None:
    """The role matrix over HTTP (R-602): every page of the back office × every kind of officer, allowed or refused as written."""
    browser = await house.officer(staff_no)
    async with house.node.db.reading() as tx:
        member = await queries.staff_by_number(tx, house.node, staff_no)
        held = {action for one in await queries.assignments(tx, member.subject) for action in one.actions}
    for path, wanted in PAGES.items():
        answer = await browser.get(path)
        right = not wanted or bool(held & set(wanted))
        assert (answer.status_code == 200) is right, f"{staff_no} at {path}: {answer.status_code}"
    shown = set(re.findall(r'<a href="([^"]+)"', (await browser.get("/staff/proposals")).text.partition("</nav>")[0]))
    listed = {one.href for one in menu.STAFF}
    assert shown - {"#main"} == {path for path in listed if not PAGES[path] or held & set(PAGES[path])}, f"the menu of {staff_no}"


async def test_t61_the_list_of_staff_pages_is_whole(house: Any) -> None:
    """A new page of the back office without a row in PAGES fails here."""
    plain = {path for path in house.paths("GET") if path.startswith(("/staff", "/desk")) and not any(one in path for one in house.ids.values())}
    asides = {"/staff/login", "/staff/join", "/staff/passkey/options"}
    unknown = {path for path in plain if re.fullmatch(r"(/[a-z-]+)+", path)} - set(PAGES) - asides - {"/staff/apps/new"}
    forgotten = {path for path in unknown if not path.endswith("/new")}
    assert not forgotten, f"say in PAGES who opens {sorted(forgotten)}"


async def test_t60_the_counter_does_not_say_who_is_known(house: Any) -> None:
    """A curious clerk types numbers: the same words for a stranger and for a wrong name, and the person's ledger says who tried."""
    clerk = await house.officer("YZ-DT-01")
    before = len(await lines(house))
    item = cases.PERMIT
    wrong = await clerk.post("/desk/receive", {"task_code": item, "number": HER_NUMBER, "name": "演示别人"}, page="/desk/receive")
    strange = await clerk.post("/desk/receive", {"task_code": item, "number": "500103199003070000", "name": "演示别人"}, page="/desk/receive")
    assert (wrong.status_code, strange.status_code) == (422, 422)
    said = [re.sub(r"\d{18}|tb_token\" value=\"[^\"]+", "", one.text) for one in (wrong, strange)]
    assert said[0] == said[1], "the page says who is known here"
    assert HER_NAME not in wrong.text
    assert len(await lines(house)) == before + 1, "person looked up without a line"
    right = await clerk.post("/desk/receive", {"task_code": item, "number": HER_NUMBER, "name": HER_NAME}, page="/desk/receive")
    assert right.status_code == 303
    assert len(await lines(house)) == before + 2, "person shown without reason"
    path = right.headers["location"]
    assert (await clerk.get(path)).status_code == 200
    house.node.clock.move(timedelta(minutes=14))
    assert (await clerk.get("/desk")).status_code == 200  # not to be locked out meanwhile
    house.node.clock.move(timedelta(minutes=14))
    assert (await clerk.get("/desk")).status_code == 200
    house.node.clock.move(timedelta(minutes=3))
    over = await clerk.get(path)
    assert over.status_code == 403, "a visit that never ends"
    assert "过了半小时" in over.text


async def test_t60_an_ended_case_is_no_reason(house: Any) -> None:
    """Long after its end a case opens nobody's data any more; the officers hear of the try."""
    clerk, path = await house.officer("YZ-GA-01"), f"/desk/{house.ids['received']}"
    assert (await clerk.get(path)).status_code == 200
    async with house.node.db.transaction() as tx:
        await tx.execute(
            "UPDATE case_record SET state = 'withdrawn', changed_at = $2 WHERE id = $1", house.ids["received"], house.node.clock.now() - timedelta(days=61)
        )
    before = len(await lines(house))
    refused = await clerk.get(path)
    async with house.node.db.transaction() as tx:
        told = await tx.fetchval("SELECT count(*) FROM staff_notice WHERE kind = 'alert.read_without_reason' AND words LIKE '%YZ-GA-01%'")
        await tx.execute("UPDATE case_record SET state = 'received', changed_at = $2 WHERE id = $1", house.ids["received"], house.node.clock.now())
    assert refused.status_code == 403, "person shown without reason"
    assert HER_NAME not in refused.text
    assert len(await lines(house)) == before
    assert told >= 1, "no alert"


async def test_t61_an_issued_credential_of_another_county_stays_closed(house: Any) -> None:
    """Issued credentials are scoped by division as well as department; what stands on them needs a reason."""
    own = await house.officer("YZ-GA-03")
    listed = await own.get("/staff/credentials")
    found = re.findall(r'href="(/staff/credentials/[0-9a-f-]{36})"', listed.text)
    assert found, "the issuing office sees nothing of its own"
    assert HER_NAME not in listed.text
    page = await own.get(found[0])
    assert page.status_code == 200
    credential = found[0].rsplit("/", 1)[1]
    async with house.node.db.transaction() as tx:
        before: str = await tx.fetchval("SELECT division FROM credential WHERE id = $1", credential)
        await tx.execute("UPDATE credential SET division = '500112' WHERE id = $1", credential)
    closed = await own.get(found[0])
    shown = (await own.get("/staff/credentials")).text
    acted = await own.post(found[0], {"act": "suspend", "reason": "越权试一试"}, page="/staff/credentials")
    async with house.node.db.transaction() as tx:
        await tx.execute("UPDATE credential SET division = $2 WHERE id = $1", credential, before)
        state = await tx.fetchval("SELECT state FROM credential WHERE id = $1", credential)
    assert before == "500103", "the division of its case was not kept"
    assert closed.status_code == 404, "other county's credential opened"
    assert credential not in shown
    assert acted.status_code in {403, 404}
    assert state == "valid", "other county's credential suspended"


async def test_t63_roles_are_given_by_two_on_the_pages(house: Any) -> None:
    """From /staff/people to the right that counts: proposed by one, approved by another, in force with the next request."""
    one, two, clerk = await house.officer("CQ-RS-01"), await house.officer("CQ-RS-02"), await house.officer("CQ-PJ-01")
    async with house.node.db.reading() as tx:
        member = await queries.staff_by_number(tx, house.node, "CQ-PJ-01")
    page = f"/staff/people/{member.subject}"
    asked = await one.post(page + "/role", {"role": "auditor", "division": "500000", "org": "", "items": "", "until": ""}, page=page)
    assert asked.status_code == 303, asked.text[:2000]
    proposal = asked.headers["location"]
    digest = re.search(r'name="digest" value="([^"]+)"', (await two.get(proposal)).text)
    assert digest
    assert 'name="digest"' not in (await one.get(proposal)).text, "the proposer is offered to approve"
    alone = await one.post(proposal, {"act": "approve", "digest": digest[1]}, page="/staff/people")
    assert alone.status_code == 403, "self-assigned"
    assert (await clerk.get("/staff/audit")).status_code == 403
    done = await two.post(proposal, {"act": "approve", "digest": digest[1]}, page=proposal)
    assert done.status_code == 200
    assert "给了岗位“审计员”" in done.text
    house.node.bell.ring("identity.session_ended")  # NOTIFY does it on a running node
    assert (await clerk.get("/staff/audit")).status_code == 200
    forms = re.findall(rf'action="({page}/take-back/[0-9a-f-]+)">(.*?)</form>', (await one.get(page)).text, re.DOTALL)
    back = next(action for action, inside in forms if "审计员" in inside)
    assert (await one.post(back, {}, page=page)).status_code == 303
    house.node.bell.ring("identity.session_ended")
    assert (await clerk.get("/staff/audit")).status_code == 403, "a role taken back still counts"


async def test_t64_an_emergency_from_its_door_to_the_persons_ledger(house: Any) -> None:
    duty, second, guard = await house.officer("CQ-ZB-01"), await house.officer("CQ-JD-01"), await house.officer("CQ-AQ-01")
    async with house.node.db.reading() as tx:
        told = await queries.staff_by_number(tx, house.node, "CQ-JD-01")
    opened = await duty.post("/staff/emergency", {"reason": "life", "said": "居民报警，屋里可能有人昏倒", "told": told.subject}, page="/staff/emergency")
    assert opened.status_code == 303, opened.text[-3000:]
    path = opened.headers["location"]
    assert "打开了紧急访问" in (await second.get("/staff/proposals")).text, "no notice sent"
    assert "打开了紧急访问" in (await guard.get("/staff/proposals")).text, "no notice sent"
    before = len(await lines(house))
    card = await duty.post(path + "/look", {"ref": HER_NUMBER}, page=path)
    assert HER_NAME in card.text
    assert card.headers["cache-control"] == "no-store"
    assert len(await lines(house)) == before + 1, "silent use"
    case = await duty.get(f"/desk/{house.ids['received']}")
    assert case.status_code == 200
    assert len(await lines(house)) == before + 2, "silent use"
    for page in (path, "/staff/emergency"):
        seen = await guard.get(page)
        assert seen.status_code == 200
        assert HER_NAME not in seen.text
        assert HER_NUMBER not in seen.text
    assert (await guard.post(path + "/look", {"place": "1"}, page=path)).status_code == 404, "the reviewer reads persons"
    assert (await (await house.officer("YZ-GA-01")).get(path)).status_code == 403
    her = await house.person()
    assert "紧急访问" in (await her.get("/me/data-use")).text, "the person does not see it"
    done = await guard.post(path + "/review", {"words": "有报警记录", "verdict": "in_order"}, page=path)
    assert done.status_code == 303
    house.node.clock.move(timedelta(minutes=14))
    await duty.get("/desk")
    house.node.clock.move(timedelta(minutes=14))
    await duty.get("/desk")
    house.node.clock.move(timedelta(minutes=14))
    await duty.get("/desk")
    house.node.clock.move(timedelta(minutes=14))
    await duty.get("/desk")
    house.node.clock.move(timedelta(minutes=5))
    assert (await duty.post(path + "/look", {"place": "1"}, page="/staff/emergency")).status_code == 403, "61st minute"
    assert (await duty.get(f"/desk/{house.ids['received']}")).status_code == 403, "61st minute"


async def test_a_locked_desk_comes_back_to_where_it_was(house: Any) -> None:
    """identity.md 7: after 15 minutes the key again, then the very page of the queue; the session is the same one."""
    clerk = await house.officer("YZ-GA-01")
    assert (await clerk.get("/desk?view=due")).status_code == 200
    house.node.clock.move(timedelta(minutes=16))
    house.node.bell.ring("identity.session_ended")
    away = await clerk.get("/desk?view=due")
    assert away.status_code == 303
    door = away.headers["location"]
    assert "已经锁上" in (await clerk.get(door)).text
    held = clerk.jar["__Host-tb_staff"]
    back = await clerk.post("/staff/login", {"key": "YZ-GA-01", "next": "/desk?view=due", "credential": ""}, page=door)
    assert back.headers["location"] == "/desk?view=due"
    assert clerk.jar["__Host-tb_staff"] != held
    async with house.node.db.reading() as tx:
        living = await tx.fetchval(
            "SELECT count(*) FROM session s JOIN staff f ON f.subject = s.subject WHERE f.staff_no = 'YZ-GA-01' AND s.revoked_at IS NULL AND s.seen_at = $1",
            house.node.clock.now(),
        )
    assert living == 1
    assert (await clerk.get("/desk?view=due")).status_code == 200


async def test_figures_answer_only_to_the_operators_key(house: Any) -> None:
    """`/metrics` tells a stranger nothing, wherever the request seems to come from."""
    stranger = house.browser()
    for headers in ({}, {"authorization": "Bearer "}, {"authorization": "Bearer " + "0" * 64}, {"x-forwarded-for": "127.0.0.1"}):
        answer = await stranger.get("/metrics", **headers)
        assert answer.status_code == 404, f"figures for a stranger: {headers}"
        assert "tongban_" not in answer.text
    right = await stranger.get("/metrics", authorization="Bearer " + metrics_key(house.node))
    assert right.status_code == 200
    assert "# TYPE" in right.text
    for private in (HER, HER_NAME, HER_NUMBER):
        assert private not in right.text, "person in a figure"


async def test_a_node_in_earnest_starts_without_the_demos_doors(house: Any, make_node: Any) -> None:
    """Demo doors, demo keys and invented people do not exist where `demo` is off."""
    real = await make_node("510000", demo=False)
    await set_up(real)
    app = build_app(real, clocks=False)
    open_doors = sorted({route.path for route in app.routes if route.path.startswith(("/demo", "/dev"))})
    assert not open_doors, f"demo doors of a real node: {open_doors}"
    async with real.db.reading() as tx:
        for table in ("staff", "person", "account", "register_entry"):
            assert not await tx.fetchval(f"SELECT count(*) FROM {table}"), f"invented rows in {table}"
    visitor = type(house.browser())(app, real.settings.base_url)
    page = await visitor.get("/staff/login")
    assert page.status_code == 200
    assert "演示" not in page.text
    tried = await visitor.post("/staff/login", {"key": "SC-JD-01", "next": "/desk", "credential": ""}, page="/staff/login")
    assert tried.status_code == 503, "a demo certificate signed in"
    assert "__Host-tb_staff" not in visitor.jar

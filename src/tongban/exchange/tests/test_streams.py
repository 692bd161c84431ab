"""Large answers as one stream of signed pieces, whole or not (R-402): dropped, repeated, moved, changed and cut pieces; quota, grant, cancel."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import msgspec
import pytest

from tongban import exchange, federation
from tongban.consent.tests.doors import browser
from tongban.exchange import providers
from tongban.exchange.actions import register
from tongban.exchange.actions.take_list import _cells
from tongban.exchange.pages import routes
from tongban.exchange.providers.demo import Away
from tongban.exchange.queries import messages
from tongban.exchange.rules import compared, told
from tongban.exchange.tests.make import sharing, steward
from tongban.federation.actions import stream as wire
from tongban.federation.actions.office import office
from tongban.federation.rules import frames
from tongban.kernel.gm import Sm2PrivateKey, b64, jcs
from tongban.kernel.ids import uuid7

RESOURCE, ROWS, PIECE = "samr.company_list", 45, 10


class Many:
    """A list of so many rows; `stop` makes it fail at a row, `slow` waits before each part."""

    def __init__(self, rows: int = ROWS, *, stop: int | None = None, slow: float = 0, wide: int = 0) -> None:
        self.rows, self.stop, self.slow, self.wide, self.asked = rows, stop, slow, wide, 0

    async def read(self, *_more: Any) -> None:
        return None

    async def part(self, _node, _asked, after, most):
        self.asked += 1
        await asyncio.sleep(self.slow)
        start = int(after or 0)
        if self.stop is not None and start >= self.stop:
            raise ConnectionRefusedError("demo register is away")
        rows = tuple({"name": f"演示{number}" + "x" * self.wide, "code": str(number), "status": "存续"} for number in range(start, min(start + most, self.rows)))
        return rows, str(start + most) if start + most < self.rows else ""


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with sharing(make_node, "samr", "500000") as nodes:
        yield nodes


@pytest.fixture(autouse=True)
async def many(nodes, monkeypatch):
    monkeypatch.setitem(providers.REGISTERS, RESOURCE, Many())
    monkeypatch.setattr(register, "PART", PIECE)
    register._lines.pop(nodes["samr"], None)
    office(nodes["500000"]).breakers.clear()
    async with nodes["samr"].db.transaction() as tx:
        await tx.execute("UPDATE data_grant SET used_today = 0, quota_per_day = 100000, state = 'active' WHERE resource = $1", RESOURCE)


async def take(nodes, *, most: int | None = None, **more: Any) -> tuple[list[Any], Any]:
    """(rows that came, the Unavailable at the end or None)."""
    rows, end = [], None
    coming = exchange.stream(
        nodes["500000"], steward("anna"), **{"resource": RESOURCE, "fields": ("name", "code"), "purpose": "policy.match", "asked": {"division": "510000"},
                                             "purpose_words": "匹配", **more},
    )  # fmt: skip
    async for piece in coming:
        if isinstance(piece, exchange.Unavailable):
            end = piece
        else:
            rows += piece
        if most is not None and len(rows) >= most:
            await coming.aclose()
            break
    return rows, end


async def row_of(node, side):
    async with node.db.reading() as tx:
        return await tx.fetchrow("SELECT * FROM exchange_message WHERE side = $1 AND resource = $2 ORDER BY at DESC LIMIT 1", side, RESOURCE)


async def settled(node, outcome):
    """The owner's row once it says that; what is cut is noted by a task of its own."""
    async with asyncio.timeout(10):
        while (found := await row_of(node, "owner"))["outcome"] != outcome:  # noqa: ASYNC110  no event tells it
            await asyncio.sleep(0.02)
    return found


async def test_a_whole_list_comes_in_signed_pieces_and_is_one_line_with_its_counts(nodes):
    rows, end = await take(nodes)
    assert end is None
    assert [one["code"] for one in rows] == [str(number) for number in range(ROWS)]
    assert all(set(one) == {"name", "code"} for one in rows), "a field that was not asked for came along"
    owner, caller = await row_of(nodes["samr"], "owner"), await row_of(nodes["500000"], "caller")
    assert (owner["outcome"], owner["rows_given"], owner["pieces"]) == ("given", ROWS, 5)
    assert (caller["outcome"], caller["rows_given"], caller["pieces"]) == ("given", ROWS, 5)
    assert (owner["id"], owner["answer"], owner["request"]) == (caller["id"], caller["answer"], caller["request"])
    async with nodes["samr"].db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'data.streamed'") == 1
        used = await tx.fetchval("SELECT used_today FROM data_grant WHERE resource = $1 AND caller = '500000'", RESOURCE)
    assert used == 5, "each piece is taken from the grant"
    both = [told(await _messages(nodes[name], side)) for name, side in (("500000", "caller"), ("samr", "owner"))]
    assert compared(*both) == ()


async def _messages(node, side):
    async with node.db.reading() as tx:
        return await messages(tx, side, "")


def dropped(lines):
    return [*lines[:1], *lines[2:]]


def swapped(lines):
    return [lines[0], lines[2], lines[1], *lines[3:]]


def repeated(lines):
    return [lines[0], *lines]


def changed(lines):
    return [lines[0], lines[1].replace("演示1".encode(), "演丝1".encode()), *lines[2:]]


def cut(lines):
    return lines[:3]


def half_a_line(lines):
    return [*lines[:2], lines[2][:50]]


def ended_early(lines):
    head = msgspec.json.decode(lines[2])
    head["head"]["end"] = frames.WHOLE
    return [*lines[:2], msgspec.json.encode(head)]


def counted_less(lines):
    """The last but one is left out and the rest is genuine: the piece that tells the counts."""
    return [*lines[:-2], lines[-1]]


@pytest.mark.parametrize("attack", [dropped, swapped, repeated, changed, cut, half_a_line, ended_early, counted_less])
async def test_a_piece_that_is_not_the_next_one_is_never_taken_and_a_cut_stream_is_never_whole(nodes, monkeypatch, attack):
    """The attacker stands on the way and has every byte; only the genuine beginning is handed out (T-27, N-1, N-2)."""
    real = wire.lines

    async def on_the_way(content):
        for line in attack([line async for line in real(content)]):
            yield line

    monkeypatch.setattr(wire, "lines", on_the_way)
    rows, end = await take(nodes)
    assert isinstance(end, exchange.Unavailable), "taken as whole"
    codes = [one["code"] for one in rows]
    assert codes == [str(number) for number in range(len(codes))], "a row that is not the next one was handed out"
    assert "演丝" not in str(rows)
    assert (await row_of(nodes["500000"], "caller"))["outcome"] in {"away", "refused"}


async def test_a_piece_of_another_answer_is_not_this_one(nodes, monkeypatch):
    """Two streams of the same rows under the same key: a frame names the request it answers."""
    real, kept = wire.lines, []

    async def keep(content):
        async for line in real(content):
            kept.append(line)
            yield line

    async def put_in(content):
        async for _line in real(content):
            yield kept.pop(0)

    monkeypatch.setattr(wire, "lines", keep)
    assert (await take(nodes))[1] is None
    monkeypatch.setattr(wire, "lines", put_in)
    rows, end = await take(nodes)
    assert (rows, end and end.reason) == ([], "refused")


async def test_a_stream_without_its_last_frame_is_cut(nodes, monkeypatch):
    """Federation's own word for it, whatever a service says of counts; nothing of it may be taken as the whole (N-1)."""
    real = wire.lines

    async def on_the_way(content):
        for line in [line async for line in real(content)][:-1]:
            yield line

    monkeypatch.setattr(wire, "lines", on_the_way)
    asked = {"v": 1, "id": uuid7(), "resource": RESOURCE, "fields": ["name"], "purpose": "policy.match", "who": "重庆市", "asked": {}}
    with pytest.raises(federation.CallFailed) as failed:
        [piece async for piece in federation.stream(nodes["500000"], "samr", "exchange.list", asked)]
    assert failed.value.problem == "cut"


async def test_a_piece_that_nobody_signed_is_not_taken(nodes, monkeypatch):
    """Everything in its place, digests and numbers right, and a signature of another key (N-1)."""
    real, forger = wire.lines, Sm2PrivateKey.generate()

    async def on_the_way(content):
        async for line in real(content):
            said = msgspec.json.decode(line)
            said["sig"]["value"] = b64(forger.sign(jcs(said["head"])))
            yield msgspec.json.encode(said)

    monkeypatch.setattr(wire, "lines", on_the_way)
    rows, end = await take(nodes)
    assert (rows, end and end.reason) == ([], "refused"), "taken without a signature"


async def test_the_owner_failing_half_way_says_so_and_what_came_is_a_part(nodes, monkeypatch):
    monkeypatch.setitem(providers.REGISTERS, RESOURCE, Many(stop=20))
    rows, end = await take(nodes)
    assert (len(rows), end.reason) == (20, "away")
    found = await settled(nodes["samr"], "cut")
    assert (found["rows_given"], found["pieces"], found["answer"]) == (20, 2, "")


async def test_a_refusal_before_the_first_piece_is_an_ordinary_signed_no(nodes, monkeypatch):
    for more, reason in (({"purpose": "curiosity"}, "no_grant"), ({"resource": "mps.population"}, "not_found")):
        rows, end = await take(nodes, **more)
        assert (rows, end.reason) == ([], reason)
    monkeypatch.setitem(providers.REGISTERS, RESOURCE, Away())
    assert (await take(nodes))[1].reason in {"not_found", "away"}
    with pytest.raises(federation.CallRefused) as no:
        await federation.call(nodes["500000"], "samr", "exchange.list", {"v": 1})
    assert no.value.problem == "no_such_service", "a stream answered as a call"


async def test_quota_and_the_end_of_a_grant_stop_the_next_piece(nodes):
    """Each piece asks the grant (T-28, T-45): two pieces left are two pieces given."""
    async with nodes["samr"].db.transaction() as tx:
        await tx.execute("UPDATE data_grant SET quota_per_day = 2 WHERE resource = $1", RESOURCE)
    rows, end = await take(nodes)
    assert (len(rows), end and end.reason) == (2 * PIECE, "quota"), "more pieces than the grant had left"
    async with nodes["samr"].db.transaction() as tx:
        await tx.execute("UPDATE data_grant SET state = 'ended' WHERE resource = $1", RESOURCE)
    assert (await take(nodes))[1].reason == "no_grant"


async def test_a_grant_that_changes_under_way_gives_less_and_never_more(nodes):
    """What the log was told is given when the first piece went out is all that is given (R-402)."""

    async def granting(*fields):
        async with nodes["samr"].db.transaction() as tx:
            await tx.execute("UPDATE data_grant SET fields = $2 WHERE resource = $1 AND caller = '500000'", RESOURCE, list(fields))

    await granting("name", "division")
    rows = []
    coming = exchange.stream(
        nodes["500000"], steward("anna"), resource=RESOURCE, fields=("name", "code", "status"), purpose="policy.match", asked={"division": "510000"},
        purpose_words="匹配",
    )  # fmt: skip
    try:
        async for piece in coming:
            rows += piece
            await granting("name", "code", "status", "division")
        assert {tuple(row) for row in rows} == {("name",)}, "field code returned"
        assert (await row_of(nodes["samr"], "owner"))["fields"] == ["name"]
        await granting("name", "code")
        assert (await take(nodes))[1].reason == "no_grant", "rows were chosen by a field that is not granted"
    finally:
        await granting("name", "code", "status", "division", "registered_on")


async def test_whoever_stops_reading_is_left_and_the_register_rests(nodes, monkeypatch):
    """Cancel: the owner asks its register no further, gives the place back, and its log says how much went out."""
    endless = Many(rows=10**9)
    monkeypatch.setitem(providers.REGISTERS, RESOURCE, endless)
    rows, _ = await take(nodes, most=25)
    assert len(rows) == 30
    found = await settled(nodes["samr"], "cut")
    assert found["rows_given"] >= 30
    asked = endless.asked
    await asyncio.sleep(0.2)
    assert endless.asked == asked, "the register is asked for nobody"
    assert office(nodes["samr"]).in_flight["500000"] == 0
    assert (await row_of(nodes["500000"], "caller"))["outcome"] == "cut"


async def test_a_register_that_is_too_slow_for_the_patience_ends_the_stream(nodes, monkeypatch):
    monkeypatch.setattr("tongban.exchange.actions.flow.PATIENCE_MS", 300)
    monkeypatch.setitem(providers.REGISTERS, RESOURCE, Many(slow=1.0))
    rows, end = await take(nodes)
    assert (rows, end.reason) == ([], "away")


async def test_neither_end_holds_more_than_a_few_pieces(nodes, monkeypatch):
    """12 MB go through both ends in this one process, which never holds a quarter of them."""
    monkeypatch.setitem(providers.REGISTERS, RESOURCE, Many(rows=1500, wide=8000))
    monkeypatch.setattr(register, "PART", 10)
    tracemalloc.start()
    try:
        before, count = tracemalloc.get_traced_memory()[0], 0
        async for piece in exchange.stream(
            nodes["500000"], steward("anna"), resource=RESOURCE, fields=("name",), purpose="policy.match", asked={}, purpose_words="匹配"
        ):
            assert not isinstance(piece, exchange.Unavailable)
            count += len(piece)
        most = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert count == 1500
    assert most < 3_000_000, f"{most} bytes held at most"


async def test_a_steward_takes_a_list_as_one_file_that_is_whole_or_is_not_given(nodes, monkeypatch):
    """The product's own use of a stream (R-402): what came before a cut is no file, and what another office wrote does nothing here."""
    path, typed = f"/staff/sharing/lists/{RESOURCE}", {"purpose": "policy.match", "purpose_words": "匹配惠企政策", "place": "510100"}
    async with browser(nodes["500000"], routes) as desk:
        desk.actor = steward("anna")
        await desk.see(path)
        assert "还没有收到这份名录的授权" not in desk.text
        assert "统一社会信用代码、登记状态、登记地区划" in desk.text
        assert "data-file" in desk.text, "the button says for ever that it is sending"
        answer = await desk.send(path, **typed)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
        lines = answer.content.decode("utf-8-sig").splitlines()
        assert (lines[0].split(",")[:2], len(lines)) == (["企业名称", "统一社会信用代码"], ROWS + 1)
        assert answer.headers["content-length"] == str(len(answer.content))
        monkeypatch.setitem(providers.REGISTERS, RESOURCE, Many(stop=20))
        cut = await desk.send(path, **typed)
        assert (cut.status_code, "没有取全" in desk.text, "演示1" in desk.text) == (422, True, False), "a part was handed out as the list"
        no = await desk.send(path, **{**typed, "purpose": "curiosity"})
        assert (no.status_code, "没有取全" in desk.text) == (422, True)
        assert (await desk.send(path, **{**typed, "place": "成都"})).status_code == 422
        monkeypatch.setitem(providers.REGISTERS, RESOURCE, Many())
        async with nodes["500000"].db.transaction() as tx:  # as the owner tells it by letter
            await tx.execute("UPDATE data_grant_held SET fields = '{code,name,division}' WHERE resource = $1", RESOURCE)
        await desk.see(path)
        assert "登记状态" not in desk.text
        lines = (await desk.send(path, **typed)).content.decode("utf-8-sig").splitlines()
        assert lines[:2] == ["企业名称,统一社会信用代码,登记地区划", "演示0,0,"], "a column that is not granted, empty"
        async with nodes["500000"].db.transaction() as tx:
            await tx.execute("DELETE FROM data_grant_held WHERE resource = $1", RESOURCE)
        await desk.see(path)
        assert "还没有收到这份名录的授权" in desk.text
        desk.actor = steward("carl", "exchange.audit")
        assert (await desk.see(path)).status_code == 403
        assert (await desk.send(path, **typed)).status_code == 403
    async with nodes["500000"].db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'data.list_taken'") == 2


def test_a_cell_that_a_spreadsheet_would_reckon_out_is_text():
    assert _cells([{"name": "=HYPERLINK(1)", "code": "9151"}], ("name", "code")) == [["'=HYPERLINK(1)", "9151"]]

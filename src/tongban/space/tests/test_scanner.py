"""A citizen's scanner opens own pages and checks licences, and nothing else (T-59, R-404)."""

from __future__ import annotations

import io
import re

import pytest
import segno

from tongban import credentials, seals
from tongban.credentials.tests import make as cards
from tongban.space.rules import scanned
from tongban.space.tests.make import browser

HOMES = {"http://500000.localhost:8103": "重庆市", "https://gjzwfw.example.cn": "国家平台"}
FOREIGN = (
    "http://evil.example/scan/x",
    "http://500000.localhost.evil.example:8103/scan/x",
    "http://500000.localhost.evil:8103/",
    "http://500000.localhost:8103@evil.example/scan/x",
    "http://user:pw@500000.localhost:8103/scan/x",
    "http://500000.localhost:8103.evil.example/",
    "http://500000.localhost:81030/",
    "http://500000.localhost/",
    "https://500000.localhost:8103/",
    "http://5o0000.localhost:8103/",
    "http://xn--500000-6ve.localhost:8103/",
    "http://50000０.localhost:8103/",
    "http://500000.localhost：8103/",
    "http://500000。localhost:8103/",
    "http://evil.example\\@500000.localhost:8103/",
    "http://500000.localhost:8103\\.evil.example/",
    "http:\\\\500000.localhost:8103\\scan",
    "http:/500000.localhost:8103/",
    "//500000.localhost:8103/",
    "http://500000.localhost:8103?@evil.example/",
    "http://500000.localhost:8103#@evil.example/",
    "javascript:alert(1)//http://500000.localhost:8103/",
    "JaVaScRiPt:alert(document.cookie)",
    "data:text/html,<script>alert(1)</script>",
    "intent://500000.localhost:8103/#Intent;scheme=http;end",
    "weixin://dl/business/?t=x",
    "alipays://platformapi/startapp?appId=1",
    "tel:10086",
    "sms:10086?body=x",
    "WIFI:T:WPA;S:free;P:x;;",
    "http://evil.example/\r\nhttp://500000.localhost:8103/",
    "http://500000.localhost:8103/\n.evil.example",
    '<a href="http://evil.example/">打开</a>',
    "\u202emoc.elpmaxe//:ptth",
    "gz1:6BFOXN",
)


@pytest.mark.parametrize("text", FOREIGN)
def test_what_is_not_ours_is_text(text):
    found = scanned(text, HOMES)
    assert (found.kind, found.href) == ("text", ""), "opened foreign host"


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        ("http://500000.localhost:8103/scan/abc", "login", "重庆市"),
        ("HTTP://500000.LOCALHOST:8103/s/1", "page", "重庆市"),
        ("https://gjzwfw.example.cn", "page", "国家平台"),
        ("https://gjzwfw.example.cn:443/s/1?x=@y#z", "page", "国家平台"),
        ("  GZ1:6BFOXN ", "card", ""),
    ],
)
def test_own_pages_and_licences_are_known(text, kind, place):
    found = scanned(text, HOMES)
    assert (found.kind, found.place) == (kind, place)


def test_what_turns_or_hides_is_made_visible():
    assert "\u202e" not in scanned("a\u202eb\u200bc", HOMES).text
    assert len(scanned("x" * 5000, HOMES).text) < 700


def photo(text: str) -> bytes:
    out = io.BytesIO()
    segno.make(text, error="q", micro=False).save(out, kind="png", scale=6, border=4)
    return out.getvalue()


async def scan(client, **sent) -> str:
    page = (await client.get("/scanner")).text
    token = re.search(r'name="_token" value="([^"]+)"', page) or re.search(r'type="hidden" name="([^"]+)" value="([^"]+)"', page)
    name, value = ("_token", token[1]) if token.re.groups == 1 else (token[1], token[2])
    files = {"photo": ("a.png", sent.pop("photo"), "image/png")} if "photo" in sent else None
    answer = await client.post("/scanner", data={name: value, **sent}, files=files, headers={"origin": "https://500000.test"})
    assert answer.status_code in {200, 422}, answer.text
    assert "location" not in answer.headers
    assert "refresh" not in answer.headers
    return answer.text


def links(page: str) -> list[str]:
    return re.findall(r'(?:href|src|action|content)="([^"]*)"', page)


async def test_the_page_of_a_foreign_code_holds_no_way_to_it(node):
    """T-59: typed and photographed; the words are there to be read, no link, no form, no script leads to them."""
    async with browser(node) as client:
        for text in (FOREIGN[0], FOREIGN[1], FOREIGN[3], FOREIGN[10], FOREIGN[21], FOREIGN[32]):
            page = await scan(client, code=text)
            assert "不是平台的码" in page, "opened foreign host"
            assert not [one for one in links(page) if "evil" in one or "javascript" in one.lower()], "opened foreign host"
            assert "<script>alert" not in page
            assert 'http-equiv="refresh"' not in page
        assert "evil.example" in await scan(client, photo=photo(FOREIGN[1]))
        assert "不是照片" in await scan(client, photo=b"GIF89a not a picture")
        assert "拍一张带码的照片" in await scan(client)


async def test_own_codes_are_a_button_and_licences_a_verdict(node):
    """R-404: scan-to-log-in is asked for, never done; a licence is checked as by anybody, and its holder sees that."""
    await seals.set_up(node)
    await credentials.set_up(node)
    async with node.db.transaction() as tx:
        card = await cards.licence(tx, node)
        shown = await credentials.present(tx, node, cards.citizen(), card.id)
    async with browser(node) as client:
        mine = f"{node.settings.base_url}/scan/abcdefghijklmnopqrstuv"
        page = await scan(client, photo=photo(mine))
        assert f'href="{mine}"' in page
        assert "在电脑上登录" in page
        page = await scan(client, code=shown.token)
        assert "有效" in page
        assert "演示科技" not in page, "nobody registered sees what is on it"
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT unit FROM credential_view WHERE card = $1", card.id) == "未登记的查验方"

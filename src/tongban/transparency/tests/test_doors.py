"""The public page, the receipt as a file, and the API that watchers read, over HTTP."""

import json
import re
from datetime import UTC, datetime

import pytest

from tongban import transparency
from tongban.kernel.actor import Actor, Assignment
from tongban.kernel.gm import Sm2PublicKey, b64, jcs, sm3, unb64, x509
from tongban.kernel.ids import uuid7
from tongban.transparency import rules, tasks

from .make import doors, signed


@pytest.fixture(scope="module")
async def client(node):
    async with doors(node) as opened:
        yield opened


@pytest.fixture(scope="module")
async def leaf(node, client):
    """A committed leaf in a signed tree of 9."""
    async with node.db.transaction() as tx:
        made = [await transparency.append(tx, "cases.decided", b"%d" % number) for number in range(9)]
    await tasks.run_sequencer(node)
    await tasks.run_head(node)
    return made[4]


def unnamed(text):
    return unb64(text.removeprefix("sm3:"))


async def test_the_page_before_the_first_fact_and_after(make_node, node, leaf, client):
    empty = await make_node("samr")
    async with doors(empty) as other:
        assert "还没有记录" in (await other.get("/transparency")).text
    page = (await client.get("/transparency")).text
    assert "9 条" in page
    plain = "".join(page.split()).replace("&ensp;", "")
    assert node.keys.signer("s1").public.fingerprint.hex()[:8] in plain.replace("<wbr>", "")


async def test_the_receipt_is_a_file_and_a_strange_number_is_404(client, leaf):
    answer = await client.get(f"/transparency/receipts/{leaf.id}")
    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.json()["leaf"]["id"] == leaf.id
    assert answer.json()["statement"] is None
    assert (await client.get(f"/transparency/receipts/{uuid7()}")).status_code == 404


async def test_a_receipt_asked_for_too_early_says_when_to_come_back(client, node, leaf):
    async with node.db.transaction() as tx:
        early = await transparency.append(tx, "cases.decided", b"early")
    answer = await client.get(f"/transparency/receipts/{early.id}")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


async def test_the_checker_can_be_downloaded(client):
    answer = await client.get("/transparency/check_receipt.py")
    assert answer.status_code == 200
    assert b"def sm2_verify" in answer.content


async def test_the_page_hands_out_all_that_judges_a_receipt_of_any_node(make_node):
    """R-408: receipts kept here are signed by whoever logged the fact; what the page gives out must judge those too."""
    node = await make_node("510000")
    root = x509.make_root(node.keys.signer("root"), common_name="根（演示）", organisation="演示", at=datetime.now(UTC))
    async with node.db.transaction() as tx:
        await transparency.certify(tx, kid=node.keys.signer("s1").kid, certificate=b"leaf", anchor=root, since_ms=0)
        await signed(tx, node, 2)
    async with doors(node) as client:
        page = (await client.get("/transparency")).text
        given = await client.get("/transparency/root.cer")
    assert given.status_code == 200
    assert given.content == root
    assert "attachment" in given.headers["content-disposition"]
    for way in ("/transparency/root.cer", "/transparency/check_receipt.py", "/transparency/check_archive.py"):
        assert f'href="{way}"' in page, way
    assert "--root" in page
    plain = "".join(page.split()).replace("<wbr>", "")
    assert sm3(root).hex()[:8] in plain


async def test_before_the_hub_knows_a_node_there_is_no_root_to_give(make_node):
    async with doors(await make_node("mps")) as client:
        assert (await client.get("/transparency/root.cer")).status_code == 404
        assert "/transparency/root.cer" not in (await client.get("/transparency")).text


async def test_a_watcher_can_check_everything_from_the_api(client, node, leaf):
    body = (await client.get("/api/transparency/head")).json()
    head, key = body["head"], node.keys.signer("s1").public
    assert Sm2PublicKey(key.point).verify(jcs(head), unb64(body["sig"]["value"]))
    receipt = (await client.get(f"/transparency/receipts/{leaf.id}")).json()
    proof = (
        await client.get("/api/transparency/inclusion", params={"index": receipt["index"], "size": head["size"]})
    ).json()
    found = rules.leaf_hash(leaf.entry)
    assert rules.included(
        receipt["index"], head["size"], found, [unnamed(one) for one in proof["proof"]], unnamed(head["root"])
    )
    step = (await client.get("/api/transparency/consistency", params={"from": 3, "to": 9})).json()
    small = (await client.get("/api/transparency/consistency", params={"from": 3, "to": 3})).json()
    assert len(step["proof"]) > 1
    assert small["proof"] == []
    assert (
        json.loads((await client.get("/api/transparency/heads?limit=1")).content)["heads"][0]["head"]["size"]
        == head["size"]
    )
    assert (await client.get("/api/transparency/witnessed")).json() == {"forks": [], "witnessed": []}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/transparency/inclusion?index=0&size=100", 404),
        ("/api/transparency/inclusion?index=9&size=9", 404),
        ("/api/transparency/consistency?from=5&to=4", 404),
        ("/api/transparency/consistency?from=1&to=9223372036854775808", 404),
        ("/api/transparency/inclusion?index=x&size=1", 400),
        ("/api/transparency/heads?limit=5000", 400),
    ],
)
async def test_what_cannot_be_proved_is_refused(client, leaf, path, status):
    assert (await client.get(path)).status_code == status


async def test_what_was_witnessed_is_published_with_the_countersignature(client, node, make_node, leaf):
    other = await make_node("510000")
    async with other.db.transaction() as theirs:
        await transparency.append(theirs, "cases.decided", b"x")
        await transparency.sequence(theirs)
        head = await transparency.sign_head(theirs, other)
        told = await transparency.announce(theirs)
    async with node.db.transaction() as tx:
        await transparency.witness(tx, node, origin="510000", key=other.keys.signer("s1").public, body=told.to_json())
    (seen,) = (await client.get("/api/transparency/witnessed")).json()["witnessed"]
    statement = {"type": "tongban-log-witness-1", "v": 1, "witness": "500000", "head": head.signed}
    assert seen["sig"]["value"] == b64(head.signature)
    assert node.keys.signer("s1").public.verify(jcs(statement), unb64(seen["witness"]["value"]))
    assert "核对到第 1 条" in (await client.get("/transparency")).text


async def test_staff_watch_cosigners_and_forks_and_say_that_they_look_into_one(node, make_node):
    """/staff/log (R-408): named with both heads for whoever may see it; looking into a fork keeps it named."""
    liar = await make_node("510000")
    key, told = liar.keys.signer("s1").public, []
    for start in (0, 50):
        async with liar.db.transaction() as tx:
            await tx.execute("TRUNCATE log_entry, log_pending, log_leaf, log_node, log_head")
            await tx.execute("UPDATE log_tree SET size = 0, announced = 0")
            await signed(tx, liar, 3, start=start)
            told.append((await transparency.announce(tx)).to_json())
    async with node.db.transaction() as tx:
        await transparency.witness(tx, node, origin="510000", key=key, body=told[0])
        await transparency.overheard(tx, node, told_by="mps", key=key, body=told[1])
        (fork,) = await transparency.fork_list(tx)
    rights = frozenset({"transparency.see"})
    officer = Actor(kind="staff", subject="s1aq", staff_id="CQ-AQ-01", assignments=(Assignment("security_officer", rights, "500000", ""),))
    async with doors(node, officer) as client:
        page = await client.get("/staff/log")
        assert page.status_code == 200, page.text
        for words in ("发现两份历史", "同样的大小，两个不同的根", "我来核查"):
            assert words in page.text
        token = re.search(r'name="tb_token" value="([^"]+)"', page.text).group(1)
        jar = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
        done = await client.post(
            "/staff/log/forks/510000/seen", data={"tb_token": token, "mark": fork.mark}, headers={"Origin": node.settings.base_url, "Cookie": jar}
        )
        assert done.status_code == 303, done.text
        again = (await client.get("/staff/log")).text
        assert "有人在核查" in again
        assert "发现两份历史" in again
    async with doors(node) as client:
        assert "发现记录被改过" in (await client.get("/transparency")).text
        assert (await client.get("/staff/log")).status_code in (303, 401)
    async with doors(node, Actor(kind="staff", subject="s1x", staff_id="X")) as client:
        assert (await client.get("/staff/log")).status_code == 403

"""A node that shows two histories is caught and named by those it lied to (R-408, T-40); nobody is named on somebody's word."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tongban import transparency
from tongban.kernel.gm import b64, jcs, x509
from tongban.transparency.model import WITNESS_TYPE

from .make import leaves, signed

SCRIPT = Path(__file__).resolve().parents[4] / "docs" / "check_receipt.py"
TABLES = "log_entry, log_pending, log_leaf, log_node, log_head, log_cosignature"


@pytest.fixture(scope="module")
async def liar(make_node):
    return await make_node("510000")


@pytest.fixture(scope="module")
async def neighbour(make_node):
    return await make_node("mps")


async def history(liar, *counts, start, tail=()):
    """A whole history of the liar's log in a transaction undone: the bodies of its letters, and `tail` consistency proofs."""

    class Undo(Exception):
        pass

    told, proofs = [], []
    try:
        async with liar.db.transaction() as tx:
            await tx.execute(f"TRUNCATE {TABLES}")
            await tx.execute("UPDATE log_tree SET size = 0, announced = 0")
            for round_, count in enumerate(counts):
                await signed(tx, liar, count, start=start + round_ * 100)
                told.append((await transparency.announce(tx)).to_json())
            proofs = [await transparency.consistency(tx, first, second) for first, second in tail]
            raise Undo
    except Undo:
        return told, proofs


def statement(witness, body):
    """What a witness says of a head, countersigned."""
    signer = witness.keys.signer("s1")
    said = {"type": WITNESS_TYPE, "v": 1, "witness": witness.id, "head": body["head"]}
    return {"head": body["head"], "sig": body["sig"], "witness": {"kid": signer.kid, "value": b64(signer.sign(jcs(said)))}}


async def seen(tx, node, liar, *bodies):
    key = liar.keys.signer("s1").public
    for body in bodies:
        await transparency.witness(tx, node, origin="510000", key=key, body=body)


async def test_two_witnesses_who_compare_name_the_liar(tx, node, neighbour, liar):
    """T-40: each history is whole in itself; only the comparison shows the lie, and both signed heads are the proof."""
    key = liar.keys.signer("s1").public
    mine, _ = await history(liar, 3, start=0)
    theirs, _ = await history(liar, 3, start=50)
    await seen(tx, node, liar, *mine)
    assert await transparency.fork_list(tx) == ()
    assert await transparency.overheard(tx, node, told_by="mps", key=key, body=statement(neighbour, theirs[0])) is None
    (fork,) = await transparency.fork_list(tx, untold=True)
    assert (fork.node, fork.way, {fork.first_from, fork.second_from}) == ("510000", "same_size", {"500000", "mps"}), "split view not named"
    for head in (fork.first, fork.second):
        assert key.verify(jcs(head.signed), head.signature)
    assert fork.first.root != fork.second.root
    await transparency.overheard(tx, node, told_by="mps", key=key, body=statement(neighbour, theirs[0]))
    await transparency.fork_told(tx, node, fork.node, fork.mark)
    assert len(await transparency.fork_list(tx)) == 1
    assert await transparency.fork_list(tx, untold=True) == ()
    assert await transparency.fork_seen(tx, node, "s1", fork.node, fork.mark)
    assert not await transparency.fork_seen(tx, node, "s2", fork.node, fork.mark)
    assert (await transparency.fork_list(tx))[0].seen_by == "s1"


async def test_two_sizes_are_joined_by_the_logs_own_signed_answer(tx, node, neighbour, liar):
    """A larger head somebody else was shown is a question, not an accusation: the true proof ends it."""
    key = liar.keys.signer("s1").public
    told, (proof,) = await history(liar, 3, 4, start=0, tail=[(3, 7)])
    await seen(tx, node, liar, told[0])
    gap = await transparency.overheard(tx, node, told_by="mps", key=key, body=statement(neighbour, told[1]))
    assert gap.sizes == (3, 7)
    assert (await transparency.settle(tx, node, gap, proof)).state == "consistent"
    assert await transparency.fork_list(tx) == ()
    assert [one.size for one in await transparency.witnessed(tx)] == [7]
    smaller, _ = await history(liar, 3, 4, start=0)
    assert smaller is not None


async def test_an_answer_that_does_not_join_them_names_the_liar(tx, node, neighbour, liar):
    key = liar.keys.signer("s1").public
    mine, _ = await history(liar, 3, start=0)
    other, (proof,) = await history(liar, 3, 4, start=50, tail=[(3, 7)])
    await seen(tx, node, liar, *mine)
    gap = await transparency.overheard(tx, node, told_by="mps", key=key, body=statement(neighbour, other[1]))
    assert (await transparency.settle(tx, node, gap, proof)).state == "fork", "split view not named"
    (fork,) = await transparency.fork_list(tx)
    assert (fork.way, fork.first.size, fork.second.size) == ("no_proof", 3, 7)
    assert [one.size for one in await transparency.witnessed(tx)] == [3]  # the lie is not countersigned
    told = await transparency.settle(tx, node, gap, proof)
    assert told.state == "fork"


async def test_an_unanswered_question_stays_visible(tx, node, neighbour, liar):
    key = liar.keys.signer("s1").public
    told, _ = await history(liar, 3, 4, start=0)
    await seen(tx, node, liar, told[0])
    await transparency.overheard(tx, node, told_by="mps", key=key, body=statement(neighbour, told[1]))
    late = datetime.now(UTC) + timedelta(hours=1)
    assert [(one.node, one.size) for one in await transparency.unproved(tx, since=late)] == [("510000", 7)]


async def test_nobody_is_named_on_somebodys_word(tx, node, neighbour, liar):
    """A neighbour that makes heads up, or claims a fork that is none, is refused; the honest node stays unnamed."""
    key = liar.keys.signer("s1").public
    told, _ = await history(liar, 3, 4, start=0)
    await seen(tx, node, liar, told[0])
    forged = {**statement(neighbour, told[0]), "head": {**told[0]["head"], "root": "sm3:" + b64(b"x" * 32)}}
    with pytest.raises(transparency.HeadRefused):
        await transparency.overheard(tx, node, told_by="mps", key=key, body=forged)
    for heads in ([told[0], forged], [forged, forged]):
        with pytest.raises(transparency.HeadRefused):
            await transparency.accused(tx, node, told_by="mps", keys=[key, key], heads=heads)
    assert await transparency.accused(tx, node, told_by="mps", keys=[key, key], heads=[told[0], told[0]]) == ()
    (gap,) = await transparency.accused(tx, node, told_by="mps", keys=[key, key], heads=[told[0], told[1]])
    assert gap.size == 7  # two sizes prove nothing: the log itself is asked
    assert await transparency.fork_list(tx) == ()


async def test_two_heads_shown_by_another_are_judged_alone(tx, node, liar):
    """`log.fork`: whoever is told checks both signatures, and then knows as much as who told."""
    key = liar.keys.signer("s1").public
    one, _ = await history(liar, 3, start=0)
    two, _ = await history(liar, 3, start=50)
    await transparency.accused(tx, node, told_by="cn", keys=[key, key], heads=[one[0], two[0]])
    (fork,) = await transparency.fork_list(tx)
    assert (fork.node, fork.first_from, fork.second_from) == ("510000", "cn", "cn")


async def given(tx, node, neighbour, folder):
    """(leaf id, key fingerprint, root file) of a log whose node and witness have certificates of one root."""
    at = datetime.now(UTC) - timedelta(hours=1)
    root_key = node.keys.signer("root")
    root = x509.make_root(root_key, common_name="根（演示）", organisation="演示", at=at)
    (folder / "root.der").write_bytes(root)

    def certificate(of):
        return x509.make_leaf(x509.read(root), root_key, public=of.keys.signer("s1").public, common_name=of.id, organisation="演示", use="sign", at=at, node=of.id)  # fmt: skip

    await transparency.certify(tx, kid=node.keys.signer("s1").kid, certificate=certificate(node), anchor=root, since_ms=0)
    made = await leaves(tx, 5)
    head = await transparency.sign_head(tx, node)
    body = statement(neighbour, head.to_json())
    taken = await transparency.take_cosignature(
        tx, node, witness="mps", key=neighbour.keys.signer("s1").public, certificate=certificate(neighbour), body=body
    )
    assert taken.state == "consistent"
    await signed(tx, node, 6, start=100)
    return made[2].id, folder / "root.der"


def run(folder, receipt, *arguments):
    file = folder / "receipt.json"
    file.write_text(json.dumps(receipt))
    done = subprocess.run([sys.executable, "-I", "-S", str(SCRIPT), str(file), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, cwd=folder)  # fmt: skip
    return done.returncode, done.stdout + done.stderr


async def test_a_receipt_carries_the_witnesses_and_the_script_judges_them(tx, node, neighbour, tmp_path):
    """R-408: the newest head continues the one another node signed, and that signature holds under the common root."""
    leaf, root = await given(tx, node, neighbour, tmp_path)
    receipt = (await transparency.receipt(tx, leaf)).to_json()
    assert receipt["witnessed"]["signed_head"]["head"]["size"] == 5
    code, said = await asyncio.to_thread(run, tmp_path, receipt, "--root", root)
    assert (code, "联署      mps，证书都由你给的根签发" in said) == (0, True), said
    assert await transparency.cosigners(tx) == (("mps", 5, receipt["witnessed"]["signed_head"]["head"]["at"]),)
    witnessed = receipt["witnessed"]
    one = witnessed["signatures"][0]
    for changed in (
        {**witnessed, "proof": witnessed["proof"][:-1]},
        {**witnessed, "proof": [*witnessed["proof"], "sm3:" + b64(b"x" * 32)]},
        {**witnessed, "signatures": [{**one, "value": b64(bytes(64))}]},
        {**witnessed, "signatures": [{**one, "witness": "samr"}]},
        {**witnessed, "signatures": [one, one]},
        {**witnessed, "signatures": [{**one, "certificate": receipt["certificate"]}]},
        {**witnessed, "signed_head": receipt["signed_head"]},
    ):
        code, said = await asyncio.to_thread(run, tmp_path, {**receipt, "witnessed": changed}, "--root", root)
        assert code == 1, said


async def test_a_receipt_holds_when_the_nodes_key_turned_after_the_last_cosignature(tx, node, neighbour, tmp_path):
    """Both heads are judged by their own key, and with the root each key by its certificate; another node's key proves nothing."""
    leaf, root = await given(tx, node, neighbour, tmp_path)
    at, next_ = datetime.now(UTC) - timedelta(minutes=30), node.keys.signer("s2")
    anchor, root_key = root.read_bytes(), node.keys.signer("root")

    def certificate(public, name):
        return x509.make_leaf(x509.read(anchor), root_key, public=public, common_name=name, organisation="演示", use="sign", at=at, node=name)

    await transparency.certify(tx, kid=next_.kid, certificate=certificate(next_.public, node.id), anchor=anchor, since_ms=1)
    await signed(tx, node, 2, start=200)
    receipt = (await transparency.receipt(tx, leaf)).to_json()
    assert (receipt["signed_head"]["sig"]["kid"], receipt["witnessed"]["signed_head"]["sig"]["kid"]) == (next_.kid, node.keys.signer("s1").kid)
    for arguments in (("--root", root), ("--key", next_.public.fingerprint.hex())):
        code, said = await asyncio.to_thread(run, tmp_path, receipt, *arguments)
        assert (code, "联署      mps" in said) == (0, True), said
    foreign = certificate(node.keys.signer("s1").public, "510000")
    for changed in ({"certificate": b64(foreign)}, {"certificate": None}, {"key": b64(next_.public.spki)}, {"key": ""}):
        told = {**receipt, "witnessed": {**receipt["witnessed"], **changed}}
        assert (await asyncio.to_thread(run, tmp_path, told, "--root", root))[0] != 0, changed
    audit = await transparency.verify_log(tx, node)
    assert audit.whole, audit.sentence


async def test_a_leaf_after_the_last_cosigned_head_has_none_yet(tx, node, neighbour, tmp_path):
    await given(tx, node, neighbour, tmp_path)
    late = (await leaves(tx, 1, start=500))[0]
    await transparency.sign_head(tx, node)
    assert (await transparency.receipt(tx, late.id)).witnessed is None


async def test_cosignatures_that_are_none_are_refused(tx, node, neighbour, liar):
    await leaves(tx, 4)
    head = await transparency.sign_head(tx, node)
    key, body = neighbour.keys.signer("s1").public, statement(neighbour, head.to_json())
    for bad, by in (
        ({**body, "witness": {**body["witness"], "value": b64(bytes(64))}}, "mps"),
        (body, "samr"),
        ({**body, "witness": {"kid": "mps/s1"}}, "mps"),
        ({"head": body["head"], "sig": body["sig"]}, "mps"),
        (statement(neighbour, (await history(liar, 2, start=0))[0][0]), "mps"),
    ):
        with pytest.raises(transparency.HeadRefused):
            await transparency.take_cosignature(tx, node, witness=by, key=key, certificate=b"c", body=bad)
    assert await transparency.cosigners(tx) == ()


async def test_a_head_under_our_name_that_we_never_had_is_our_own_fork(tx, node, neighbour):
    """Somebody signs with this node's key, or rows were rewritten: the witness's copy says so, at this very node."""
    inner = tx.transaction()
    await inner.start()
    await signed(tx, node, 4, start=900)
    other = (await transparency.head(tx)).to_json()
    await inner.rollback()
    await signed(tx, node, 4)
    taken = await transparency.take_cosignature(
        tx, node, witness="mps", key=neighbour.keys.signer("s1").public, certificate=b"c", body=statement(neighbour, other)
    )
    assert taken.state == "fork"
    assert [one.node for one in await transparency.fork_list(tx)] == ["500000"]


async def test_old_heads_are_thinned_to_one_a_day_and_forks_never(make_node, set_clock, liar):
    """privacy.md 4: the run counts what went and leaves a leaf; a day's largest head and every fork stay."""
    from tongban.transparency.tasks import run_thinning

    node = await make_node("cn", clock=set_clock)
    told, _ = await history(liar, 3, 4, 2, start=0)
    other, _ = await history(liar, 3, start=50)
    key = liar.keys.signer("s1").public
    async with node.db.transaction() as tx:
        await seen(tx, node, liar, *told)
        await transparency.overheard(tx, node, told_by="mps", key=key, body=other[0])
    assert await run_thinning(node) == 0
    set_clock.move(timedelta(days=31))
    assert await run_thinning(node) == 1  # 7 goes; 3 was the first, 9 is the day's largest
    async with node.db.transaction() as tx:
        assert [row["size"] for row in await tx.fetch("SELECT size FROM log_witnessed WHERE state <> 'fork' ORDER BY size")] == [3, 9]
        assert len(await transparency.fork_list(tx)) == 1
        assert await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'transparency.thinned'") == 1

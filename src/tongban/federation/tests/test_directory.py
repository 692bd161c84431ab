"""Believing a directory: rising versions, forks, roots, key continuity, freshness (federation.md 3, threats T-03, T-35)."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tongban import federation
from tongban.federation.actions import directory as actions
from tongban.federation.actions import office as memory
from tongban.federation.actions.join import renew_keys
from tongban.federation.actions.office import office
from tongban.federation.actions.root import ROOT_KEY, current_key, issue_certificate
from tongban.federation.actions.way import transport
from tongban.federation.queries.directory import held
from tongban.federation.rules import directory as rules
from tongban.federation.tests.make import nation, officer
from tongban.kernel.gm import FileKeyStore, b64, digest, jcs, parse_object, x509


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with nation(make_node, "500000", "510000") as nodes:
        yield nodes


async def newest(node):
    async with node.db.reading() as tx:
        return rules.parse(await tx.fetchval("SELECT signed FROM directory_version ORDER BY version DESC LIMIT 1"))


def signed(hub, found, cert):
    return actions.sign(hub, found, cert)


async def next_one(nation_nodes, **changes):
    """A directory the hub signs outside its own books: a hub that lies."""
    hub = nation_nodes["cn"]
    present = await newest(nation_nodes["510000"])
    now = hub.clock.ms()
    after = msgspec.structs.replace(
        present.directory,
        **{"version": present.directory.version + 1, "issued_at": now, "not_after": now + rules.VALID_MS, **changes},
    )
    return signed(hub, after, present.sig.cert)


async def judged(node, raw):
    async with node.db.reading() as tx:
        return rules.judge(rules.parse(raw), await held(tx, node.settings.hub), node.clock.ms())


async def test_an_older_directory_is_not_taken(nodes):
    present = await newest(nodes["510000"])
    raw = await next_one(nodes, version=present.directory.version - 1)
    assert (await judged(nodes["510000"], raw)).outcome == "older"
    assert (await actions.take(nodes["510000"], raw, source="500000")).outcome == "older"


async def test_equal_version_with_other_bytes_is_a_fork_and_the_old_one_stays(nodes):
    present = await newest(nodes["510000"])
    raw = await next_one(nodes, version=present.directory.version)
    assert (await actions.take(nodes["510000"], raw, source="cn")).outcome == "fork"
    assert (await newest(nodes["510000"])).digest == present.digest
    async with nodes["510000"].db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM federation_alarm WHERE kind = 'directory_fork'") == 1
    assert (await judged(nodes["510000"], present.raw)).outcome == "same"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"hub": "mps"}, "other_hub"), ({"issued_at": 9_000_000_000_000, "not_after": 9_000_000_000_001}, "from_the_future"),
        ({"not_after": 9_000_000_000_000}, "validity"),
    ],
)  # fmt: skip
async def test_directories_nobody_should_believe(nodes, changes, why):
    verdict = await judged(nodes["510000"], await next_one(nodes, **changes))
    assert (verdict.outcome, verdict.why) in {("refused", why), ("refused", "untrusted_signer")}


async def test_a_changed_directory_and_a_foreign_root_are_refused(nodes, tmp_path):
    reader = nodes["510000"]
    raw = await next_one(nodes)
    value = parse_object(raw)
    value["directory"]["nodes"][0]["base_urls"] = ["https://evil.example/"]
    verdict = await judged(reader, jcs(value))
    assert (verdict.outcome, verdict.why) == ("refused", "signature")

    evil = FileKeyStore(tmp_path, "cn")
    root = x509.make_root(evil.signer("root"), common_name="tongban root cn", organisation="x", at=reader.clock.now())
    leaf = x509.make_leaf(
        x509.read(root),
        evil.signer("root"),
        public=evil.signer("d1").public,
        common_name="cn",
        organisation="x",
        use="directory",
        node="cn",
        at=reader.clock.now(),
    )
    form = parse_object(raw)["directory"]
    sig = {"kid": "cn/d1", "alg": "sm2-sm3", "cert": b64(leaf), "value": b64(evil.signer("d1").sign(jcs(form)))}
    verdict = await judged(reader, jcs({"v": 1, "directory": form, "sig": sig}))
    assert (verdict.outcome, verdict.why) == ("refused", "untrusted_signer")


async def test_a_new_key_of_a_known_node_is_not_taken_on_the_hubs_word_alone(nodes, tmp_path):
    """T-03: the hub publishes a key of its own for 500000. The old key stays, an alarm rises, an operator may confirm."""
    hub, reader = nodes["cn"], nodes["510000"]
    thief = FileKeyStore(tmp_path, "500000").signer("s9")
    async with hub.db.reading() as tx:
        root = await tx.fetchval("SELECT cert FROM directory_anchor WHERE how = 'pinned'")
    cert = issue_certificate(hub, root, thief.public, "500000", nodes["500000"].settings.organisation, "sign")
    present = await newest(reader)
    false = actions.with_keys(present.directory.node("500000"), (current_key("500000", "s9", "sign", cert),))
    raw = await next_one(nodes, nodes=actions.with_node(present.directory, false).nodes)
    assert (await actions.take(reader, raw, source="cn")).outcome == "accepted"
    trusted = await federation.present(reader)
    assert trusted.listed_key("500000/s9") is None
    assert trusted.node("500000").current("sign").kid == "500000/s1"
    mark = digest(thief.public.spki)
    async with reader.db.transaction() as tx:
        assert (
            await tx.fetchval(
                "SELECT count(*) FROM federation_alarm WHERE kind = 'key_without_continuity' AND resolved_at IS NULL"
            )
            == 1
        )
        await federation.trust(tx, reader, officer("a"), "500000", mark)
        assert await actions.look_again(tx, reader)
    reader.bell.ring("federation.directory")
    assert (await federation.present(reader)).listed_key("500000/s9") is not None
    # the true hub never said so; its next real version takes the key out of the list again
    async with hub.db.transaction() as tx:
        await federation.issue(tx, hub, lambda found: msgspec.structs.replace(found, version=found.version + 100))
    await tx_jump(hub, reader)


async def tx_jump(hub, reader):
    """The lying hub ran ahead of its own books: let the books overtake it, as a restored hub's clock does."""
    ahead = (await newest(reader)).directory.version
    async with hub.db.transaction() as tx:
        while (await federation.issue(tx, hub, lambda found: found)).version <= ahead:
            pass
    await federation.refresh(reader)


@pytest.fixture
def at_once(monkeypatch):
    """A new key signs from the moment it is listed; the 20 s it waits have a test in test_keeping."""
    monkeypatch.setattr(memory, "SPREADS_MS", 0)


@pytest.fixture(scope="module")
async def renewed(nodes):
    """The keys of 500000 renewed once, and 510000 knows; the directory that says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "SPREADS_MS", 0)
        found = await renew_keys(nodes["500000"])
    await federation.refresh(nodes["510000"])
    return found


@pytest.mark.usefixtures("at_once")
async def test_renewed_keys_are_taken_because_the_old_key_speaks_for_them(nodes, renewed):
    member, reader, found = nodes["500000"], nodes["510000"], renewed
    assert found.node("500000").current("sign").kid == "500000/s2"
    seen = (await federation.present(reader)).node("500000")
    assert seen.current("sign").kid == "500000/s2"
    assert seen.current("encrypt").kid == "500000/e2"
    assert {key.kid: key.status for key in seen.keys}["500000/s1"] == "retired"
    assert office(member).signer(member, found).kid == "500000/s2"
    answer = await federation.call(member, "510000", "federation.probe", {"v": 1})
    assert answer["asked_by"] == "500000"


@pytest.mark.usefixtures("renewed")
async def test_a_retired_key_signs_calls_for_fourteen_days(nodes):
    found = await federation.present(nodes["510000"])
    retired = found.listed_key("500000/s1")[1].retired_at
    assert rules.call_key_fault(found, "500000/s1", "500000", retired + 1000) is None
    late = retired + rules.RETIRED_CALLS_MS + 1
    assert rules.call_key_fault(found, "500000/s1", "500000", late) == "unknown_key"
    assert rules.letter_key_fault(found, "500000/s1", "500000", retired + 1000) is None


@pytest.mark.usefixtures("at_once", "renewed")
async def test_a_key_revokes_itself_without_the_hub_and_signs_nothing_more(nodes):
    member, reader = nodes["500000"], nodes["510000"]
    signer = member.keys.signer("s2")
    revoke = {"node": "500000", "kid": signer.kid, "at": member.clock.ms(), "reason": "compromise"}
    for value, expected in (
        (b64(nodes["cn"].keys.signer("s1").sign(jcs(revoke))), 401),
        (b64(signer.sign(jcs(revoke))), 200),
    ):
        body = jcs({"revoke": revoke, "sig": {"kid": signer.kid, "value": value}})
        status, _, _ = await transport(
            member,
            "POST",
            reader.settings.base_url,
            reader.settings.connect,
            "/federation/revoke",
            headers={},
            body=body,
            seconds=5,
        )
        assert status == expected
    with pytest.raises(federation.CallRefused) as said:
        await federation.call(member, "510000", "federation.probe", {"v": 1})
    assert said.value.problem == "revoked_key"


def test_a_new_root_counts_from_the_next_version_and_a_day_later(tmp_path, set_clock):
    store = FileKeyStore(tmp_path, "cn")
    now = set_clock.ms()

    def root_and_signer(name):
        root = x509.make_root(
            store.signer(f"root{name}"), common_name=f"root {name}", organisation="x", at=set_clock.now()
        )
        cert = x509.make_leaf(
            x509.read(root),
            store.signer(f"root{name}"),
            public=store.signer(f"d{name}").public,
            common_name="cn",
            organisation="x",
            use="directory",
            node="cn",
            at=set_clock.now(),
        )
        return root, cert

    (old, old_cert), (new, new_cert) = root_and_signer("1"), root_and_signer("2")

    def issued(version, name, cert, at):
        form = {
            "hub": "cn", "version": version, "issued_at": at, "not_after": at + 1000, "previous": None, "nodes": [],
            "anchors": [{"cert": b64(old), "not_after": now}, {"cert": b64(new), "not_after": now}],
        }  # fmt: skip
        signer = store.signer(f"d{name}")
        return rules.parse(
            jcs(
                {
                    "v": 1,
                    "directory": form,
                    "sig": {
                        "kid": signer.kid,
                        "alg": "sm2-sm3",
                        "cert": b64(cert),
                        "value": b64(signer.sign(jcs(form))),
                    },
                }
            )
        )

    before = rules.Held("cn", 0, "", None, (rules.HeldAnchor(old, 0, 0),), {})
    assert rules.judge(issued(1, "2", new_cert, now), before, now).why == "untrusted_signer"
    verdict = rules.judge(issued(1, "1", old_cert, now), before, now)
    assert verdict.outcome == "accepted"
    after = rules.Held("cn", 1, "", verdict.trusted, (*before.anchors, *verdict.anchors), {})
    assert rules.judge(issued(2, "2", new_cert, now), after, now).why == "untrusted_signer"
    day = now + rules.NEW_ROOT_MS
    set_clock.move(timedelta(days=1))
    assert rules.judge(issued(2, "2", new_cert, day), after, day).outcome == "accepted"


async def test_trust_grows_stale_and_then_ends(nodes):
    found = await federation.present(nodes["510000"])
    assert rules.freshness(found, found.not_after) == "fresh"
    assert rules.freshness(found, found.not_after + 1) == "stale"
    assert rules.freshness(found, found.not_after + rules.STALE_MS + 1) == "expired"


async def test_which_node_answers_for_a_division(nodes):
    found = await federation.present(nodes["cn"])
    assert found.for_division("510104").id == "510000"
    assert found.for_division("500105").id == "500000"
    assert found.for_division("110000") is None
    assert {"510000", "500000", "cn"} == {one.id for one in found.active()}
    assert ROOT_KEY == "root"
    assert len(federation.origins(nodes["cn"])) == 3

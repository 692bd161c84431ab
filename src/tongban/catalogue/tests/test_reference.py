"""Reference data: whole, loaded twice as once, and never more official than its source."""

from __future__ import annotations

import shutil

import pytest

from tongban import catalogue
from tongban.catalogue.tests.make import ITEMS


@pytest.fixture(autouse=True, scope="module")
async def loaded(node):
    async with node.db.transaction() as tx:
        return await catalogue.load_reference(tx, ITEMS / "reference")


async def test_everything_is_there_and_twice_is_once(tx, loaded) -> None:
    assert loaded.written["divisions.csv"] == 3377
    assert loaded.written["kuasheng_tongban.csv"] == 56
    assert loaded.written["license_types.csv"] == 106
    assert loaded.written["code_lists.csv"] == 121
    assert loaded.written["service_facts.yaml"] == 44
    again = await catalogue.load_reference(tx, ITEMS / "reference")
    assert again.written == {}
    assert len(again.unchanged) == 11


async def test_a_changed_file_is_loaded_again_and_only_that(tx, tmp_path) -> None:
    folder = tmp_path / "reference"
    shutil.copytree(ITEMS / "reference", folder)
    lists = folder / "license_types.csv"
    lists.write_text(lists.read_text("utf-8") + "演示证,natural,演示部,,,not-found\n", "utf-8")
    assert (await catalogue.load_reference(tx, folder)).written == {"license_types.csv": 107}


async def test_a_bad_row_names_file_and_line(tx, tmp_path) -> None:
    folder = tmp_path / "reference"
    shutil.copytree(ITEMS / "reference", folder)
    lists = folder / "divisions.csv"
    lists.write_text(lists.read_text("utf-8") + "999999,半行\n", "utf-8")
    with pytest.raises(catalogue.ReferenceBroken, match=r"divisions\.csv:3379"):
        await catalogue.load_reference(tx, folder)


async def test_only_a_plain_yes_is_official(tx) -> None:
    wrong = await tx.fetchval("SELECT count(*) FROM reference_row WHERE official AND verified <> 'yes'")
    assert wrong == 0
    lists = {name: (many, sure) for name, many, sure in await catalogue.reference_lists(tx)}
    assert lists["证照类型"] == (106, 0)
    assert lists["跨省通办"] == (56, 11)
    assert lists["目录信息"] == (100, 0)
    assert lists["基本目录"] == (8, 0)


async def test_the_tree_of_divisions(tx) -> None:
    path = await catalogue.division_path(tx, "510104")
    assert [one.name for one in path] == ["四川省", "成都市", "锦江区"]
    assert [one.name for one in await catalogue.division_path(tx, "500103")] == ["重庆市", "渝中区"]
    below = await catalogue.children(tx, "500000")
    assert "渝中区" in {one.name for one in below}
    assert "市辖区" not in {one.name for one in below}
    assert len(await catalogue.children(tx)) == 34
    assert (await catalogue.find_divisions(tx, "锦江"))[0].code == "510104"


async def test_entries_carry_their_marks(tx) -> None:
    entry = await catalogue.entry(tx, "fund_transfer")
    assert entry.verified["identity"] == "no"
    assert (await catalogue.entry(tx, "kuasheng-041")).verified == {"identity": "no"}
    assert await catalogue.entry(tx, "none") is None

"""The halves of person keys that lie beside the other keys (R-801, R-409, T-37): made once, opened in their place, wiped for good."""

from __future__ import annotations

import multiprocessing

import pytest

from tongban.kernel.gm import BadKey, CannotOpen, FileKeyStore


def test_a_half_opens_in_its_place_and_is_gone_when_wiped(tmp_path):
    halves = FileKeyStore(tmp_path, "500000").halves
    places = [halves.add() for _ in range(3)]
    read = [halves.read(place) for place in places]
    assert places == [0, 1, 2]
    assert len({*read}) == 3
    halves.wipe(1)
    halves.wipe(1)
    again = FileKeyStore(tmp_path, "500000").halves
    assert [again.read(place) for place in places] == [read[0], None, read[2]]
    assert [again.wiped(place) for place in places] == [False, True, False]
    assert again.add() == 3, "a wiped place is not used again"
    assert read[1] not in (tmp_path / "persons").read_bytes()


def test_a_half_moved_to_another_place_or_node_does_not_open(tmp_path):
    halves = FileKeyStore(tmp_path / "a", "500000").halves
    halves.add(), halves.add()
    file = tmp_path / "a" / "persons"
    raw = file.read_bytes()
    file.write_bytes(raw[64:] + raw[:64])
    with pytest.raises(CannotOpen):
        halves.read(0)
    file.write_bytes(raw)
    other = FileKeyStore(tmp_path / "b", "500000").halves
    other.add()
    (tmp_path / "b" / "persons").write_bytes(raw)
    with pytest.raises(CannotOpen):
        other.read(0)


def test_a_missing_file_or_place_is_said_and_nothing_counts_as_wiped(tmp_path):
    """An operator who forgot to put the newest copy back loses nothing: only zeros mean wiped."""
    halves = FileKeyStore(tmp_path, "500000").halves
    for work in (halves.read, halves.wipe):
        with pytest.raises(CannotOpen, match="newest copy"):
            work(0)
    halves.add()
    with pytest.raises(CannotOpen, match="newest copy"):
        halves.wipe(1)
    assert (halves.wiped(0), halves.wiped(1)) == (False, False)
    assert (tmp_path / "persons").stat().st_size == 64


def test_a_write_that_was_cut_off_takes_no_place(tmp_path):
    halves = FileKeyStore(tmp_path, "500000").halves
    halves.add()
    with (tmp_path / "persons").open("ab") as file:
        file.write(b"TBP1half")
    assert halves.add() == 2
    assert halves.read(2)
    with pytest.raises(CannotOpen):
        halves.read(1)
    assert not halves.wiped(1)


def test_a_file_that_others_may_read_is_refused(tmp_path):
    halves = FileKeyStore(tmp_path, "500000").halves
    halves.add()
    (tmp_path / "persons").chmod(0o644)
    with pytest.raises(BadKey):
        halves.read(0)


def _many(folder: str, out: multiprocessing.Queue) -> None:
    out.put([FileKeyStore(folder, "500000").halves.add() for _ in range(20)])


def test_two_processes_never_get_one_place(tmp_path):
    FileKeyStore(tmp_path, "500000").secret("master")
    context = multiprocessing.get_context("fork")
    out = context.Queue()
    running = [context.Process(target=_many, args=(tmp_path, out)) for _ in range(2)]
    for one in running:
        one.start()
    places = [place for _ in running for place in out.get(timeout=20)]
    for one in running:
        one.join(timeout=20)
    assert sorted(places) == list(range(40))

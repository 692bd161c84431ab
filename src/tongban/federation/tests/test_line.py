"""The line of an origin's epochs, and who goes by it (federation.md 6.2; docs/model/again.pml): pure judgements (T-33)."""

from __future__ import annotations

from tongban.federation.actions.pull import _names
from tongban.federation.queries.served import _gone_by
from tongban.federation.rules import chain, epochs, wire
from tongban.federation.tests.lives import A
from tongban.kernel.gm import jcs


def test_a_statement_of_an_epoch_that_was_left_long_ago_shows_a_restore():
    said = wire.Statement(v=1, origin=A, epoch=3, seq=9, at=200_000, streams={})
    assert chain.has_forgotten(said, {7: 100_000})
    assert not chain.has_forgotten(said, {7: 190_000}), "signed about when the epoch was opened"
    assert not chain.has_forgotten(said, {3: 100_000})
    later = wire.Statement(v=1, origin=A, epoch=2, seq=99, at=300_000, streams={})
    assert chain.is_rolled_back(later, said), "an earlier epoch, said later"
    assert not chain.is_rolled_back(said, later)


def letter(epoch, previous, end):
    return epochs.EpochLetter(v=1, origin=A, epoch=epoch, previous=previous, ends=epochs.Ends(end, {}), at=1)


def test_a_reader_goes_by_the_line_of_the_newest_life():
    first, second, lost = letter(5, 1, 10), letter(9, 1, 12), letter(9, 5, 0)
    assert epochs.closing([first], 1) == first
    assert epochs.closing([first], 5) is None
    assert epochs.closing([first, second, lost], 1) == second
    assert epochs.closing([first, second, lost], 5) == second, "back to epoch 1, of which the newest life has more"
    assert epochs.closing([first, second], 5) == second, "also when the newest life never heard of epoch 5"
    assert epochs.closing([first, second, lost], 9) is None
    after = letter(12, 5, 3)
    assert epochs.closing([first, after], 1) == first
    assert epochs.closing([first, after], 5) == after
    assert epochs.closing([after], 1) is None, "a link of the line is missing: wait for it"
    assert epochs.line([first, second, lost], 9) == {1: second}
    assert epochs.line([first, after], 12) == {5: after, 1: first}


def rows(letters, *, at, closed_at=None, closed_by=None):
    """Rows of epoch letters beside a relay's cursor, as they are read."""
    made = []
    for one in letters:
        told = {"v": 1, "origin": A, "epoch": one.epoch, "previous": one.previous, "ends": {"seq": one.ends.seq, "streams": {}}, "at": 1}
        signed = jcs({"epoch_letter": told, "sig": {"kid": f"{A}/s1", "value": "x"}})
        made.append({"epoch": one.epoch, "signed": signed, "at": at, "closed_at": closed_at, "closed_by": closed_by})
    return made


def test_a_relay_names_only_the_letters_that_it_goes_by_itself():
    """NONAME: it holds the newest letter and has not gone back by it: what it has of epoch 1 is another life's log."""
    heard = [letter(5, 1, 10), letter(9, 1, 12), letter(9, 5, 0)]
    assert [one["epoch"] for one in _gone_by(rows(heard, at=5))] == [5], "its log of epoch 1 ends where the first letter says"
    assert [one["epoch"] for one in _gone_by(rows(heard, at=1, closed_at=12, closed_by=9))] == [9, 9]
    assert [one["epoch"] for one in _gone_by(rows(heard, at=9))] == [9, 9]
    assert _gone_by(rows(heard, at=1)) == []


def test_a_reader_takes_a_closed_epoch_only_from_who_goes_by_the_same_letter():
    """ENDONLY: another letter that names the same epoch is another end of it."""
    cursor = chain.Cursor(A, 1, 3, {}, 0, closed_at=12, closed_by=9)
    assert _names({(A, 1, 9)}, cursor)
    assert not _names({(A, 1, 5)}, cursor), "the end of a life that is forgotten"
    assert _names({(A, 1, 5)}, chain.Cursor(A, 1, 3, {}, 0, closed_at=12)), "closed before the column was"

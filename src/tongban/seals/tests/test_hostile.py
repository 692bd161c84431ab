"""T-58: what an uploader may send. Nothing hostile is opened, sealed or drawn, nothing raises but our own refusals, quickly."""

from __future__ import annotations

import time

import pytest

from tongban.seals import errors
from tongban.seals.rules import drawing, pdf_reading, pdf_verify, verify
from tongban.seals.tests import hostile, make


@pytest.fixture(scope="module")
def kit():
    return make.kit()


@pytest.fixture(scope="module")
def paper():
    return make.paper()


OFDS, PDFS = hostile.ofds(), hostile.pdfs()


def test_the_corpus_is_no_small_one():
    assert len(OFDS) + len(PDFS) >= 60


@pytest.mark.parametrize("name", OFDS)
def test_hostile_packages_are_refused(name, kit):
    started = time.process_time()
    verdict = verify.verify_ofd(OFDS[name], kit.anchors)
    assert not verdict.ok, f"opened {name}"
    assert verdict.step in {"container", "format"}
    assert verdict.sentence
    with pytest.raises(errors.NotOurs):
        kit.sign(OFDS[name])
    with pytest.raises(errors.NotOurs):
        drawing.draw_svg(OFDS[name])
    assert time.process_time() - started < 3, "takes long"


@pytest.mark.parametrize("name", PDFS)
def test_hostile_pdfs_are_refused(name, paper):
    started = time.process_time()
    assert pdf_verify.check(PDFS[name], paper.anchors).step == "container", f"opened {name}"
    with pytest.raises(errors.NotOurs):
        paper.sign(PDFS[name])
    assert time.process_time() - started < 3, "takes long"


@pytest.mark.parametrize("name", hostile.looks_hidden())
def test_bytes_of_a_stream_are_no_names(name, paper):
    """A font or a seal's picture may hold any bytes: by chance one licence in some dozens could not be sealed."""
    assert pdf_verify.check(paper.sign(hostile.looks_hidden()[name]), paper.anchors).ok


def test_a_harmless_file_is_read(paper):
    """The corpus differs from this one by its trick alone."""
    pdf_reading.read(hostile.harmless())
    assert pdf_verify.check(paper.sign(hostile.harmless()), paper.anchors).ok

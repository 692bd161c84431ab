"""What making documents leaves in memory 出文书后的内存: a font opened for one new character is gone when its outline is here."""

from __future__ import annotations

import gc
import weakref

import pytest

from tongban.seals.errors import MissingGlyph
from tongban.seals.rules import fonts


def test_a_font_that_was_opened_for_a_new_character_is_gone_at_once(monkeypatch):
    """Not at the next full collection: each held 30 MB until then, and a node that met forty new names grew by 400 MB."""
    opened = []

    class Watched(fonts.TTFont):
        def __init__(self, *args, **more):
            super().__init__(*args, **more)
            opened.append(weakref.ref(self))

    monkeypatch.setattr(fonts, "TTFont", Watched)
    monkeypatch.setattr(fonts, "_glyphs", {"serif": {}, "sans": {}})
    gc.collect()
    gc.disable()
    try:
        fonts._load("龘", "serif")
        fonts._load("龘", "sans")
        with pytest.raises(MissingGlyph):
            fonts._load("\U0010fffd", "serif")
        assert [one() for one in opened] == [None, None, None]
    finally:
        gc.enable()

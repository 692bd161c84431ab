"""Nouns of the page 界面名词. Components take any object with these names, so a room may pass its own Structs."""

from __future__ import annotations

import msgspec


class Option(msgspec.Struct, frozen=True):
    """One choice of a radio, checkbox, select or toggle group (选项)."""

    value: str
    label: str
    hint: str = ""

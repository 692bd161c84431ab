"""Errors of search 检索的错误."""

from __future__ import annotations


class WordsBroken(Exception):
    """A word list or page list that cannot be read (词表有误); names the file and how to write it."""

"""Keeping the index in step 建索引: fed from the catalogue's rows, which are the truth; the index can always be rebuilt."""

from tongban.search.actions.feed import BELL, covers, everyday_words, own_pages, rebuild, refresh

__all__ = ["BELL", "covers", "everyday_words", "own_pages", "rebuild", "refresh"]

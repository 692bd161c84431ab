"""The index 索引: tantivy in the node's own folder. Reading is memory-mapped; one writer at a time, in one process.

Every field is made of terms by `rules.text`, so the engine only splits at blanks. Two neighbours in a list of names
never form a pair: names are joined by a stop term.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import tantivy

from tongban import catalogue
from tongban.search.model import Document, Shown, Where
from tongban.search.rules import text
from tongban.search.rules.ranking import Raw

SCHEMA_VERSION = 5
FIELDS = ("name_pairs", "more_pairs", "text_pairs", "name_words", "more_words", "text_words", "name_singles")
BOOSTS = {
    "name_pairs": 3.0, "more_pairs": 1.4, "text_pairs": 0.35, "name_words": 1.6, "more_words": 0.9, "text_words": 0.25,
    "name_singles": 1.0,
}  # fmt: skip
EXACT_BOOST = 9.0
STALE_SECONDS = 1.0
WRITER_BYTES = 15_000_000
CANDIDATES = 60
MOST_SOUNDS = 20_000
CHANNEL_ALIKE = {"h5": ("h5", "pc")}


def schema() -> Any:
    """The fields of the index: terms in `FIELDS`, exact sounds, filters, and what a hit shows."""
    builder = tantivy.SchemaBuilder()
    for name in FIELDS:
        builder.add_text_field(name, stored=False, tokenizer_name="whitespace", index_option="freq")
    for name in ("key", "task_code", "exact", "initials", "under", "own", "anywhere", "audience", "channel"):
        builder.add_text_field(name, stored=False, tokenizer_name="raw", index_option="basic")
    for name in ("shown", "name_terms", "text_terms", "word_terms", "own_code"):
        builder.add_text_field(name, stored=True, tokenizer_name="raw", index_option="basic")
    return builder.build()


def terms_of(document: Document) -> dict[str, list[str]]:
    """The terms of each field (索引词)."""
    every = (*document.names, *document.more)
    return {
        "name_pairs": [pair for name in document.names for pair in text.pairs(text.plain(name))],
        "more_pairs": [pair for name in document.more for pair in text.pairs(text.plain(name))],
        "text_pairs": [pair for part in document.text for pair in text.pairs(text.plain(part))],
        "name_words": [word for name in document.names for word in text.words(text.plain(name))],
        "more_words": [word for name in document.more for word in text.words(text.plain(name))],
        "text_words": [word for part in document.text for word in text.words(text.plain(part))],
        "name_singles": [one for name in every for one in text.singles(text.plain(name))],
    }


def stored(document: Document) -> Any:
    """The document as the engine takes it."""
    terms = terms_of(document)
    made = tantivy.Document()
    for name, found in terms.items():
        made.add_text(name, " ".join(found))
    made.add_text("key", f"{document.shown.kind}:{document.shown.id}")
    made.add_text("task_code", document.task_code)
    for name in document.names:
        sound = text.plain(name)
        made.add_text("exact", text.whole(sound))
        made.add_text("initials", text.initials(sound))
    for name in document.more:
        made.add_text("initials", text.initials(text.plain(name)))
    for code in document.divisions:
        made.add_text("under", code)
    made.add_text("own", document.own)
    made.add_text("anywhere", "1" if document.anywhere else "0")
    for one in document.audience:
        made.add_text("audience", one)
    for one in document.channels:
        made.add_text("channel", one)
    made.add_text("shown", msgspec.json.encode(document.shown).decode())
    made.add_text("name_terms", " ".join(dict.fromkeys(terms["name_pairs"] + terms["more_pairs"] + terms["name_singles"])))
    made.add_text("text_terms", " ".join(dict.fromkeys(terms["text_pairs"])))
    made.add_text("word_terms", " ".join(dict.fromkeys(terms["name_words"] + terms["more_words"])))
    made.add_text("own_code", document.own)
    return made


@functools.lru_cache(maxsize=4000)
def _shown(written: str) -> Shown:
    return msgspec.json.decode(written, type=Shown)


@functools.lru_cache(maxsize=12_000)
def _set(written: str) -> frozenset[str]:
    return frozenset(written.split())


class Index:
    """One node's index on disk (索引文件). Open once a process; `search` is safe from many tasks."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._schema = schema()
        self._index = tantivy.Index(self._schema, path=str(folder))
        self._looked = 0.0
        self._sounds: tuple[str, ...] | None = None

    def write(self, documents: Iterable[Document], *, drop_keys: Iterable[str] = (), drop_items: Iterable[str] = (), fresh: bool) -> int:
        """Add documents, dropping what stands under their keys; `fresh` empties the index first. How many were added.

        Raises ValueError (LockBusy) when another process is writing.
        """
        writer = self._index.writer(heap_size=WRITER_BYTES, num_threads=1)
        if fresh:
            writer.delete_all_documents()
        for key in drop_keys:
            writer.delete_documents_by_term("key", key)
        for code in drop_items:
            writer.delete_documents_by_term("task_code", code)
        count = 0
        for document in documents:
            writer.add_document(stored(document))
            count += 1
        writer.commit()
        writer.wait_merging_threads()
        self.look()
        return count

    def look(self) -> None:
        """See what was committed, here or in another process."""
        self._index.reload()
        self._looked = time.monotonic()
        self._sounds = None

    @property
    def documents(self) -> int:
        """How many documents stand in the index."""
        return int(self._index.searcher().num_docs)

    def _term(self, field: str, value: str) -> Any:
        return tantivy.Query.term_query(self._schema, field, value)

    def _any(self, field: str, values: Iterable[str]) -> Any:
        return tantivy.Query.term_set_query(self._schema, field, list(values))

    def _filters(self, where: Where) -> list[tuple[Any, Any]]:
        must = tantivy.Occur.Must
        found = []
        if catalogue.area(where.place):
            here = tantivy.Query.boolean_query(
                [
                    (tantivy.Occur.Should, self._any("own", catalogue.ancestors(where.place))),
                    (tantivy.Occur.Should, self._any("under", [where.place])),
                    (tantivy.Occur.Should, self._any("anywhere", ["1"])),
                ]
            )
            found.append((must, tantivy.Query.const_score_query(here, 0.0)))
        if where.audience:
            found.append((must, tantivy.Query.const_score_query(self._any("audience", [where.audience]), 0.0)))
        if where.channel:
            found.append((must, tantivy.Query.const_score_query(self._any("channel", CHANNEL_ALIKE.get(where.channel, (where.channel,))), 0.0)))
        return found

    def _clause(self, term: str, fields: Iterable[str]) -> Any:
        return tantivy.Query.disjunction_max_query(
            [tantivy.Query.boost_query(self._term(field, term), BOOSTS[field]) for field in fields], tie_breaker=0.2
        )

    def search(self, sought: str, where: Where, *, sounds_only: bool = False, every: bool = True) -> list[Raw]:
        """What fits a normalised query (查): `every` asks for all its terms, else any of them. Best first, sixty at most."""
        if time.monotonic() - self._looked > STALE_SECONDS:
            self.look()
        pairs = text.pairs(sought)
        clauses = [
            self._clause(pair, ("name_singles",) if pair.startswith("^") else ("name_pairs", "more_pairs", "text_pairs"))
            for pair in pairs
        ]
        words = [] if sounds_only else text.words(sought)
        should, must = tantivy.Occur.Should, tantivy.Occur.Must
        parts = [(must if every else should, clause) for clause in clauses]
        parts += [(should, self._clause(word, ("name_words", "more_words", "text_words"))) for word in words]
        parts.append((should, tantivy.Query.boost_query(self._term("exact", text.whole(sought)), EXACT_BOOST)))
        return self._run(parts, where)

    def by_initials(self, letters: str, where: Where) -> list[Raw]:
        """What has a name with exactly these first letters (首字母)."""
        return self._run([(tantivy.Occur.Must, self._term("initials", letters))], where)

    def _run(self, parts: list[tuple[Any, Any]], where: Where) -> list[Raw]:
        sought = tantivy.Query.boolean_query(parts)
        query = tantivy.Query.boolean_query([(tantivy.Occur.Must, sought), *self._filters(where)])
        searcher = self._index.searcher()
        return [self._raw(searcher.doc(address), score, where.place) for score, address in searcher.search(query, CANDIDATES).hits]

    def _raw(self, document: Any, score: float, place: str) -> Raw:
        own = document.get_first("own_code")
        return Raw(
            score=float(score),
            shown=_shown(document.get_first("shown")),
            name_terms=_set(document.get_first("name_terms") or ""),
            text_terms=_set(document.get_first("text_terms") or ""),
            words=_set(document.get_first("word_terms") or ""),
            here=catalogue.gives_in(own, place),
        )

    def sounds(self) -> tuple[str, ...]:
        """The exact sounds of names in the index, the commonest first: what a mistyped Latin query is compared with."""
        if self._sounds is None:
            found = self._index.searcher().terms_with_prefix("exact", "", limit=MOST_SOUNDS)
            self._sounds = tuple(term for term, _count in found)
        return self._sounds

    def by_sounds(self, sounds: Iterable[str], where: Where) -> list[Raw]:
        """What has a name of exactly one of these sounds (同音)."""
        return self._run([(tantivy.Occur.Must, self._any("exact", sounds))], where)

"""What a page says about itself, read with the standard parser: enough for the gate, no more.

It sees structure, names, labels, order and addresses. It does not see what a browser computes: real sizes and colours,
focus order, what scripts change, whether a sentence is true. Those are for a person and for the browser checks.
"""

from __future__ import annotations

from html.parser import HTMLParser

import msgspec

CONTROLS = frozenset({"input", "select", "textarea"})
NAMED = frozenset({"a", "button", "summary"})
UNLABELLED_TYPES = frozenset({"hidden", "submit", "button", "image", "reset"})
VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
})  # fmt: skip
HIDDEN_TEXT = frozenset({"script", "style", "template"})


class Element(msgspec.Struct):
    """One element that the rules ask about: its tag, attributes, words inside, and whether a label holds it."""

    tag: str
    attributes: dict[str, str]
    words: str = ""
    in_label: bool = False

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name, "")

    def __contains__(self, name: str) -> bool:
        return name in self.attributes

    @property
    def shown(self) -> str:
        """How a report names it: tag and the first thing that tells it apart."""
        mark = self["id"] or self["name"] or self["href"] or self["src"] or self.words[:12]
        return f"<{self.tag}> {mark}".strip()


class Page(msgspec.Struct):
    """A page as read (读出来的页面)."""

    language: str = ""
    mode: str = ""
    title: str = ""
    viewport: str = ""
    headings: list[Element] = []
    controls: list[Element] = []
    named: list[Element] = []
    pictures: list[Element] = []
    labels: list[Element] = []
    ids: list[str] = []
    mains: int = 0
    skip_links: int = 0
    inline: list[str] = []
    addresses: list[tuple[str, str]] = []
    words: str = ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page(headings=[], controls=[], named=[], pictures=[], labels=[], ids=[], inline=[], addresses=[])
        self.open: list[Element] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        element = Element(tag, attributes, in_label=any(one.tag == "label" for one in self.open))
        self._note(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self.open) - 1, -1, -1):
            if self.open[place].tag == tag:
                del self.open[place:]
                return

    def handle_data(self, data: str) -> None:
        words = " ".join(data.split())
        if not words:
            return
        tags = {one.tag for one in self.open}
        if "title" in tags and "svg" not in tags:
            self.page.title += words
            return
        if tags & {"script", "style"}:
            self.page.inline.append(next(one.shown for one in self.open if one.tag in {"script", "style"}))
            return
        if tags & HIDDEN_TEXT:
            return
        self.text.append(words)
        for one in self.open:
            one.words = (one.words + " " + words).strip()

    def _note(self, element: Element) -> None:
        page, tag = self.page, element.tag
        if "id" in element:
            page.ids.append(element["id"])
        page.inline += [f"{element.shown} {name}" for name in element.attributes if name.startswith("on") or name == "style"]
        if element["href"].lower().startswith("javascript:"):
            page.inline.append(element.shown)
        self._note_address(element)
        match tag:
            case "html":
                page.language, page.mode = element["lang"], element["data-mode"]
            case "meta" if element["name"].lower() == "viewport":
                page.viewport = element["content"].replace(" ", "").lower()
            case "main":
                page.mains += 1
            case "img":
                page.pictures.append(element)
                self._speak(element["alt"])
            case "label":
                page.labels.append(element)
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                page.headings.append(element)
        if element["role"] == "main" and tag != "main":
            page.mains += 1
        if tag in CONTROLS and element["type"].lower() not in UNLABELLED_TYPES:
            page.controls.append(element)
        if tag in NAMED or element["role"] == "button":
            page.named.append(element)
            if tag == "a" and element["href"].startswith("#") and len(element["href"]) > 1:
                page.skip_links += 1

    def _note_address(self, element: Element) -> None:
        loaded = element["src"] or (element["href"] if element.tag in {"link", "use", "image"} else "")
        if loaded:
            relation = element["rel"] if element.tag == "link" else ("use" if element.tag == "use" else element.tag)
            self.page.addresses.append((relation, loaded))

    def _speak(self, alternative: str) -> None:
        for one in self.open:
            one.words = (one.words + " " + alternative).strip()


def read_page(text: str) -> Page:
    """Read a page's HTML (读页面). Never fails: broken markup gives what can be read of it."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    reader.page.words = " ".join(reader.text)
    return reader.page

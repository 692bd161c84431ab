"""Visitor 访客: a person's browser without JavaScript, over real HTTP: cookies, redirects between nodes, links and forms."""

from __future__ import annotations

from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urljoin, urlsplit

import aiohttp
import msgspec

from tongban.kernel.http import HttpClient

_MAX_HOPS = 12
_VOID = frozenset({"input", "br", "img", "meta", "link", "hr", "source"})


class NotAsExpected(Exception):
    """The page is not what a person would expect here; the message says which page and what was missing."""


class Form(msgspec.Struct):
    """A form as a browser would send it (表单): its fields with the values already in it."""

    action: str
    method: str
    fields: list[tuple[str, str]]
    choices: dict[str, list[str]]
    buttons: list[tuple[str, str]]
    multipart: bool

    def names(self) -> set[str]:
        """Every field name a person could fill or choose."""
        return {name for name, _ in self.fields} | set(self.choices)


class Page(msgspec.Struct):
    """One answer (一页): what a person sees, its links and its forms."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    text: str = ""
    links: list[tuple[str, str]] = []
    forms: list[Form] = []

    def must(self, *words: str) -> Page:
        """The page itself if it holds all words, else NotAsExpected naming the first that is missing."""
        for word in words:
            if word not in self.text:
                raise NotAsExpected(f"{self.url} ({self.status}) does not say “{word}”; it says: {self.text[:300]}")
        return self

    def link(self, words: str) -> str:
        """The address of the first link whose text or address contains `words`."""
        for text, href in self.links:
            if words in text or words in href:
                return urljoin(self.url, href)
        raise NotAsExpected(f"{self.url} has no link “{words}”; links: {[text for text, _ in self.links][:25]}")

    def form(self, *, has: str = "", action: str = "") -> Form:
        """The first form that has a field `has` and whose action contains `action`."""
        for one in self.forms:
            if (not has or has in one.names()) and action in urljoin(self.url, one.action):
                return one
        raise NotAsExpected(
            f"{self.url} ({self.status}) has no form with field “{has}” to “{action}”; forms: "
            f"{[(one.action, sorted(one.names())[:12]) for one in self.forms]}; text: {self.text[:200]}"
        )


class _Reader(HTMLParser):
    """Collects text, links and forms."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._link: tuple[str, list[str]] | None = None
        self._skip = 0
        self._select: tuple[str, list[tuple[str, bool]]] | None = None
        self._area: tuple[str, list[str]] | None = None
        self._by_id: dict[str, Form] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag in {"script", "style", "template"}:
            self._skip += 1
        elif tag == "a" and "href" in at:
            self._link = (at["href"], [at.get("aria-label", "")])
        elif tag == "form":
            self._form = Form(at.get("action", ""), at.get("method", "get").lower(), [], {}, [], "multipart" in at.get("enctype", ""))
            self.forms.append(self._form)
            if "id" in at:
                self._by_id[at["id"]] = self._form
        elif tag in {"input", "button", "select", "textarea"}:
            self._control(tag, at)
        elif tag == "option" and self._select is not None:
            self._select[1].append((at.get("value", ""), "selected" in at))

    def _control(self, tag: str, at: dict[str, str]) -> None:
        form = self._by_id.get(at.get("form", "")) or self._form
        name = at.get("name", "")
        if form is None or not name or "disabled" in at:
            return
        kind = at.get("type", "text")
        if tag == "button" or kind in {"submit", "image"}:
            form.buttons.append((name, at.get("value", "")))
        elif tag == "select":
            self._select = (name, [])
        elif tag == "textarea":
            self._area = (name, [])
        elif kind in {"radio", "checkbox"}:
            form.choices.setdefault(name, []).append(at.get("value", "on"))
            if "checked" in at:
                form.fields.append((name, at.get("value", "on")))
        elif kind == "file":
            form.choices.setdefault(name, [])
        else:
            form.fields.append((name, at.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style", "template"}:
            self._skip = max(0, self._skip - 1)
        elif tag == "a" and self._link is not None:
            self.links.append((" ".join("".join(self._link[1]).split()), self._link[0]))
            self._link = None
        elif tag == "form":
            self._form = None
        elif tag == "select" and self._select is not None and self._form is not None:
            name, options = self._select
            self._form.choices[name] = [value for value, _ in options]
            chosen = [value for value, selected in options if selected] or [options[0][0] if options else ""]
            self._form.fields.append((name, chosen[0]))
            self._select = None
        elif tag == "textarea" and self._area is not None and self._form is not None:
            self._form.fields.append((self._area[0], "".join(self._area[1]).removeprefix("\n")))
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._skip:
            return
        if self._area is not None:
            self._area[1].append(data)
            return
        self.text.append(data)
        if self._link is not None:
            self._link[1].append(data)


def read_page(url: str, status: int, headers: dict[str, str], body: bytes) -> Page:
    """Parse an answer as a person's browser would (读页面)."""
    page = Page(url, status, headers, body)
    if "html" in headers.get("content-type", ""):
        reader = _Reader()
        reader.feed(body.decode("utf-8"))
        page.text = " ".join("".join(f" {part}" if "\n" in part else part for part in reader.text).split())
        page.links, page.forms = reader.links, reader.forms
    return page


class Visitor:
    """One browser with its own cookies (一个浏览器). Follows redirects, also between nodes, like a real one."""

    def __init__(self, *, timeout: float = 20) -> None:
        self._http = HttpClient()
        self._timeout = timeout
        self.cookies: dict[str, dict[str, str]] = {}
        self.page = Page("about:blank", 0, {}, b"")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._http.close()

    async def get(self, url: str) -> Page:
        """Open an address (relative to the page shown) and follow redirects."""
        return await self._go("GET", urljoin(self.page.url, url), None, None)

    async def follow(self, words: str) -> Page:
        """Click the first link with these words."""
        return await self.get(self.page.link(words))

    async def submit(
        self, form: Form, values: dict[str, str | list[str]] | None = None, *, button: tuple[str, str] | None = None,
        files: dict[str, tuple[str, bytes, str]] | None = None,
    ) -> Page:  # fmt: skip
        """Send a form with `values` in place of what stands in it; a file is (name, content, media type)."""
        values = values or {}
        fields = [(name, value) for name, value in form.fields if name not in values]
        for name, value in values.items():
            fields += [(name, one) for one in ([value] if isinstance(value, str) else value)]
        if button is not None:
            fields.append(button)
        url = urljoin(self.page.url, form.action or self.page.url)
        if form.method == "get":
            return await self._go("GET", url.split("?", 1)[0] + "?" + urlencode(fields), None, None)
        if files or form.multipart:
            data = aiohttp.FormData(default_to_multipart=True)
            for name, value in fields:
                data.add_field(name, value)
            for name, (filename, content, media) in (files or {}).items():
                data.add_field(name, content, filename=filename, content_type=media)
            return await self._go("POST", url, data, None)
        return await self._go("POST", url, urlencode(fields).encode(), "application/x-www-form-urlencoded")

    async def _go(self, method: str, url: str, body: bytes | aiohttp.FormData | None, media: str | None) -> Page:
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.page.url if self.page.status else url))
        referer = self.page.url if self.page.status else ""
        for _ in range(_MAX_HOPS):
            parts = urlsplit(url)
            host = parts.hostname or ""
            headers = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "zh-CN", "User-Agent": "tongban-tour"}
            if media:
                headers["Content-Type"] = media
            if method == "POST":
                headers["Origin"] = origin
                headers["Sec-Fetch-Site"] = "same-origin" if origin == f"{parts.scheme}://{parts.netloc}" else "cross-site"
            if referer and urlsplit(referer).netloc == parts.netloc:
                headers["Referer"] = referer
            jar = self.cookies.setdefault(host, {})
            if jar:
                headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
            async with self._http.session.request(
                method, url, data=body, headers=headers, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=self._timeout)
            ) as answer:
                content = await answer.read()
                self._keep(jar, answer)
                found = {name.lower(): value for name, value in answer.headers.items()}
                status = answer.status
            if status in {301, 302, 303, 307, 308} and "location" in found:
                url = urljoin(url, found["location"])
                if status in {301, 302, 303}:
                    method, body, media = "GET", None, None
                continue
            self.page = read_page(url, status, found, content)
            return self.page
        raise NotAsExpected(f"more than {_MAX_HOPS} redirects; the last went to {url}")

    @staticmethod
    def _keep(jar: dict[str, str], answer: aiohttp.ClientResponse) -> None:
        for header in answer.headers.getall("Set-Cookie", []):
            pair, _, rest = header.partition(";")
            name, _, value = pair.strip().partition("=")
            gone = "max-age=0" in rest.lower() or "expires=thu, 01 jan 1970" in rest.lower()
            if gone or not value.strip('"'):
                jar.pop(name, None)
            else:
                jar[name] = value.strip('"')

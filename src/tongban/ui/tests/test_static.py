"""Static files: named by content, kept for a year, packed once, within the weight budget (ux.md P4)."""

from __future__ import annotations

import gzip
import json
import re

from tongban import ui
from tongban.ui import static
from tongban.ui.tests.make import browser

ICON = re.compile(r'icon\(\s*"([a-z0-9-]+)"|icon="([a-z0-9-]+)"|icons\.svg"\) \}\}#i-([a-z0-9-]+)"')


def packed(suffix: str) -> int:
    return sum(len(one.packed or one.body) for name, one in static.files().items() if name.endswith(suffix))


def test_weight():
    assert len(static.files()[ui.asset("tongban.css").rsplit("/", 1)[1]].packed) < 15_000
    assert len(static.files()[ui.asset("tongban.js").rsplit("/", 1)[1]].packed) < 15_000
    assert not [name for name in static.files() if name.endswith((".woff", ".woff2", ".ttf"))]


def test_a_file_is_immutable_and_packed():
    with browser() as client:
        plain = client.get(ui.asset("tongban.css"), headers={"accept-encoding": "identity"})
        small = client.get(ui.asset("tongban.css"), headers={"accept-encoding": "gzip"})
    assert "immutable" in plain.headers["cache-control"]
    assert small.headers["content-encoding"] == "gzip"
    assert small.text == plain.text
    assert gzip.decompress(static.files()[ui.asset("tongban.css").rsplit("/", 1)[1]].packed).decode() == plain.text


def test_scripts_name_each_other_as_they_are_served_and_the_worker_keeps_what_its_pages_import():
    kept = json.loads(re.search(rb"FILES = (\[[^\]]*\])", static.worker())[1])
    served = {"/static/" + name: one.body for name, one in static.files().items()}
    imports = {
        name: set(re.findall(r'(?:from |import |import\()"\./([^"]+)"', body.decode())) for name, body in served.items() if name.endswith(".js")
    }  # fmt: skip
    assert any(imports.values())
    for name, wanted in imports.items():
        assert {"/static/" + one for one in wanted} <= set(served), f"{name} imports what nobody serves"
        if name in kept:
            assert {"/static/" + one for one in wanted} <= set(kept), f"without network {name} lacks a script"


def test_nothing_comes_from_elsewhere():
    for name, one in static.files().items():
        if name.endswith((".css", ".js")):
            text = one.body.decode()
            assert "http://" not in text, name
            assert "https://" not in text, name
            assert "@import" not in text, name


def test_every_icon_that_templates_name_is_drawn():
    drawn = set(re.findall(r'id="i-([a-z0-9-]+)"', (static.FOLDER / "icons.svg").read_text("utf-8")))
    missing = []
    for template in sorted(static.FOLDER.parent.parent.glob("*/templates/**/*.html")):
        for found in ICON.finditer(template.read_text("utf-8")):
            name = next(part for part in found.groups() if part)
            if name not in drawn:
                missing.append(f"{template.name}: {name}")
    assert not missing, f"draw them in ui/static/icons.svg or use one that is there: {missing}"

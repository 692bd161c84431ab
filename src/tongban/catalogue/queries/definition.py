"""Reading a definition from its folder 读事项定义: item.yaml, form.yaml, flow.yaml, examples/*.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tongban.catalogue.model import BasicItem, Definition, Example, FormStep, Item, Step
from tongban.catalogue.queries.source import Source, convert, read
from tongban.catalogue.rules import ConditionBroken, body_of, identified, proven

BASICS = Path("reference") / "basic_items.yaml"
INHERITED = ("name", "item_type", "department", "audience")
"""What an implementation item takes from its basic item 继承; naming it under `overrides` is how it differs."""


class FormFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """form.yaml: the pages of the form, in order."""

    steps: tuple[FormStep, ...]


class FlowFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """flow.yaml: the steps of the work, in order."""

    steps: tuple[Step, ...]


class BasicFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """reference/basic_items.yaml: the basic catalogue as far as it is at hand."""

    items: tuple[BasicItem, ...]


def basics_in(items_dir: Path) -> dict[str, BasicItem]:
    """The basic items of an items folder by code (基本目录文件); empty without the file. Raises DefinitionBroken."""
    path = items_dir / BASICS
    if not path.is_file():
        return {}
    return {one.catalog_code: one for one in convert(read(path), BasicFile).items}


def load_definition(folder: Path, basics: dict[str, BasicItem] | None = None) -> Definition:
    """Read, inherit, compile and identify one version of an item (读定义).

    `folder` is `items/<theme>/<item>/<version>`; its name is the version. Without `basics` the file
    `reference/basic_items.yaml` of the same items folder is used. Raises DefinitionBroken (file, line, what, fix).
    """
    sources = {name: read(folder / f"{name}.yaml") for name in ("item", "form", "flow")}
    known = basics_in(folder.parent.parent.parent) if basics is None else basics
    form = convert(sources["form"], FormFile)
    flow = convert(sources["flow"], FlowFile)
    written = _inherit(sources["item"], known)
    written |= {"form": msgspec.to_builtins(form), "steps": msgspec.to_builtins(flow.steps), "version": _version(folder)}
    item = identified(convert(sources["item"], Item, written))
    _prove(sources["form"], item)
    _prove_materials(sources["item"], item)
    return Definition(
        item=item, folder=str(folder), examples=_examples(folder), lines=_lines(folder, sources),
    )


def _version(folder: Path) -> int:
    if not folder.name.isdecimal() or int(folder.name) < 1:
        raise read(folder / "item.yaml").broken("$", f"the folder {folder.name} is no version", "name it 1, 2, 3 …")
    return int(folder.name)


def _inherit(source: Source, basics: dict[str, BasicItem]) -> dict[str, Any]:
    """The item's own words over those of its basic item; what differs must be named under `overrides`."""
    written = dict(source.value) if isinstance(source.value, dict) else {}
    for name in ("form", "steps", "version", "digest"):
        if name in written:
            raise source.broken(f"$.{name}", f"`{name}` does not stand in item.yaml", "form.yaml, flow.yaml and the folder say it")
    overrides = written.pop("overrides", {}) or {}
    if not isinstance(overrides, dict) or not all(isinstance(why, str) and why for why in overrides.values()):
        raise source.broken("$.overrides", "`overrides` is no list of `name: why`", "write each difference with its reason")
    basic = basics.get(str(written.get("catalog_code", "")))
    if basic is None:
        return written
    inherited = msgspec.to_builtins(basic)
    for name in INHERITED:
        if name not in written:
            written[name] = inherited[name]
        elif written[name] != inherited[name] and name not in overrides:
            raise source.broken(
                f"$.{name}", f"`{name}` differs from the basic item {basic.catalog_code}",
                f"leave it out to inherit {inherited[name]!r}, or name it under overrides with the reason",
            )
    return written


def _prove(source: Source, item: Item) -> None:
    """Compile every condition of the form against the fields before it and its own."""
    for s, step in enumerate(item.form.steps):
        _prove_one(source, f"$.steps[{s}].visible_when", step.visible_when, item)
        for f, field in enumerate(step.fields):
            for name in ("visible_when", "required_when", "valid_when"):
                _prove_one(source, f"$.steps[{s}].fields[{f}].{name}", getattr(field, name), item)


def _prove_materials(source: Source, item: Item) -> None:
    for number, material in enumerate(item.materials):
        _prove_one(source, f"$.materials[{number}].needed", material.needed, item)
        for way, one in enumerate(material.replaceable_by):
            _prove_one(source, f"$.materials[{number}].replaceable_by[{way}].when", one.when, item)


def _prove_one(source: Source, path: str, expression: str, item: Item) -> None:
    if not expression:
        return
    try:
        proven(expression, item.form.fields)
    except ConditionBroken as error:
        raise source.broken(path, f"condition `{expression}`: {error}", "write CEL over the fields of this form and `today`") from None


class ExampleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of examples: each is run as a test."""

    examples: tuple[Example, ...]


def _examples(folder: Path) -> tuple[Example, ...]:
    found: list[Example] = []
    for path in sorted((folder / "examples").glob("*.yaml")):
        found.extend(convert(read(path), ExampleFile).examples)
    return tuple(found)


def _lines(folder: Path, sources: dict[str, Source]) -> dict[str, str]:
    """Where each part of the item stands, by the paths findings use."""
    lines: dict[str, str] = {}
    for name, source in sources.items():
        for path, line in source.lines.items():
            part = path[2:]
            if name == "form" and part:
                part = f"form.{part}"
            lines[part or name] = f"{folder.name}/{name}.yaml:{line}"
    return lines


def load_folder(items_dir: Path) -> tuple[Definition, ...]:
    """Every definition of an items folder, in the order of their paths (全部定义). Raises DefinitionBroken."""
    basics = basics_in(items_dir)
    folders = sorted(path.parent for path in items_dir.glob("*/*/*/item.yaml"))
    return tuple(load_definition(folder, basics) for folder in folders)


def canonical(item: Item) -> bytes:
    """The item as JSON for a machine, digest included (JSON 正文)."""
    return msgspec.json.encode(body_of(item) | {"digest": item.digest})

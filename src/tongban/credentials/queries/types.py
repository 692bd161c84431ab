"""Credential types and purposes from items/credentials (证照类型库): read once a process, checked while read."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import yaml

from tongban.credentials.model import CredentialType, Hall, Purpose
from tongban.kernel.ids import CreditCode
from tongban.kernel.node import Node
from tongban.kernel.settings import SettingsError


@cache
def _load(folder: Path) -> tuple[dict[str, CredentialType], dict[str, Purpose]]:
    types: dict[str, CredentialType] = {}
    purposes: dict[str, Purpose] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            raw = yaml.safe_load(path.read_text("utf-8"))
            if path.stem == "halls":
                continue
            if path.stem == "purposes":
                purposes = {one.id: one for one in msgspec.convert(raw, list[Purpose])}
                continue
            kind = msgspec.convert(raw, CredentialType)
            _check(kind)
        except (OSError, ValueError, msgspec.ValidationError, yaml.YAMLError) as error:
            raise SettingsError(f"{path}: {error}") from error
        if kind.code in types:
            raise SettingsError(f"{path}: type code {kind.code} stands twice")
        types[kind.code] = kind
    return types, purposes


def _check(kind: CredentialType) -> None:
    """The code's check character, unique keys and numbers, disclosures of known fields, least first."""
    if len(kind.code) != 21:
        raise ValueError("a type code has 21 characters")
    CreditCode.parse(kind.code[:18])
    keys, numbers = [one.key for one in kind.fields], [one.label for one in kind.fields]
    if len(set(keys)) != len(keys) or len(set(numbers)) != len(numbers):
        raise ValueError("field keys and numbers are unique")
    if not kind.disclosures:
        raise ValueError("at least one disclosure")
    for one in kind.disclosures:
        unknown = set(one.fields) - set(keys)
        if unknown:
            raise ValueError(f"disclosure {one.id}: unknown fields {sorted(unknown)}")
    sizes = [len(one.fields) for one in kind.disclosures]
    if sizes[0] != min(sizes):
        raise ValueError("the first disclosure shows least")


def types(node: Node) -> tuple[CredentialType, ...]:
    """Every credential type this node knows (证照类型). Raises SettingsError for a template that is wrong."""
    return tuple(_load(node.settings.items_dir / "credentials")[0].values())


def type_of(node: Node, code: str) -> CredentialType | None:
    """The type of that 21-character code, or None."""
    return _load(node.settings.items_dir / "credentials")[0].get(code)


def type_named(node: Node, name: str) -> CredentialType | None:
    """The type of that Chinese name (营业执照), or None; an empty name is None."""
    return next((one for one in types(node) if name and one.name == name), None)


def purposes(node: Node) -> tuple[Purpose, ...]:
    """The registered purposes of verifying (核对用途)."""
    return tuple(_load(node.settings.items_dir / "credentials")[1].values())


def purpose(node: Node, purpose_id: str) -> Purpose | None:
    """The purpose of that id, or None."""
    return _load(node.settings.items_dir / "credentials")[1].get(purpose_id)


@cache
def _halls(path: Path) -> tuple[Hall, ...]:
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), list[Hall])
    except (OSError, msgspec.ValidationError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: {error}") from error
    return tuple(found)


def halls(node: Node) -> tuple[Hall, ...]:
    """The halls of all nodes that print and hand over (打印大厅)."""
    path = node.settings.items_dir / "credentials" / "halls.yaml"
    return _halls(path) if path.exists() else ()


def hall(node: Node, code: str) -> Hall | None:
    """The hall of that code, or None."""
    return next((one for one in halls(node) if one.code == code), None)

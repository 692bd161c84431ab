"""Credential types and purposes from items/credentials and reference/license_types.csv (证照类型库): read once a process, checked while read."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import msgspec
import msgspec.yaml

from tongban.credentials.model import CredentialType, Hall, Purpose
from tongban.credentials.model.types import ListedType
from tongban.credentials.rules import templates
from tongban.kernel.node import Node
from tongban.kernel.settings import SettingsError

_NOT_TYPES = frozenset({"halls", "general"})


class _Library(msgspec.Struct, frozen=True):
    """Everything of one folder (一个目录里的全部)."""

    by_code: dict[str, CredentialType]
    by_name: dict[str, CredentialType]
    purposes: dict[str, Purpose]
    listed: tuple[ListedType, ...]


@cache
def _load(folder: Path) -> _Library:
    by_code: dict[str, CredentialType] = {}
    by_name: dict[str, CredentialType] = {}
    purposes: dict[str, Purpose] = {}
    for path in sorted(folder.glob("*.yaml")):
        if path.stem in _NOT_TYPES:
            continue
        try:
            raw = msgspec.yaml.decode(path.read_bytes())
            if path.stem == "purposes":
                purposes = {one.id: one for one in msgspec.convert(raw, list[Purpose])}
                continue
            kind = msgspec.convert(raw, CredentialType)
            templates.check(kind)
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise SettingsError(f"{path}: {error}") from error
        if kind.code in by_code or kind.name in by_name:
            raise SettingsError(f"{path}: type {kind.code} {kind.name} stands twice")
        by_code[kind.code] = by_name[kind.name] = kind
    rows = _listed(folder.parent / "reference" / "license_types.csv")
    _add_general(folder / "general.yaml", rows, by_code, by_name)
    return _Library(by_code, by_name, purposes, rows)


def _listed(path: Path) -> tuple[ListedType, ...]:
    if not path.exists():
        return ()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return tuple(
                msgspec.convert(
                    {
                        "name": row["name"], "holder": row["holder_kind"], "department": row["issuing_department"], "domain": row["domain"],
                        "code": row["certificate_type_code"], "code_status": row["code_status"],
                    },
                    ListedType,
                )
                for row in csv.DictReader(file)
            )  # fmt: skip
    except (OSError, KeyError, msgspec.ValidationError) as error:
        raise SettingsError(f"{path}: {error}") from error


def _add_general(
    path: Path, rows: tuple[ListedType, ...], by_code: dict[str, CredentialType], by_name: dict[str, CredentialType]
) -> None:
    """A type for each listed row without a template of its own (通用模板)."""
    if not path.exists():
        return
    try:
        shape = msgspec.yaml.decode(path.read_bytes())
        for place, row in enumerate(rows):
            if row.name in by_name:
                continue
            kind = templates.general(row, place, shape)
            templates.check(kind)
            by_code.setdefault(kind.code, kind)
            by_name[kind.name] = by_code[kind.code]
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    if len(by_code) != len(by_name):
        raise SettingsError(f"{path}: two listed types have one code")


def check_library(items: Path) -> tuple[int, int]:
    """Read a folder of items' licence types (检查证照类型库): how many templates, how many types. Raises SettingsError."""
    found = _load(items / "credentials")
    own = sum(1 for one in found.by_code.values() if one.template == "own")
    return own, len(found.by_code)


@cache
def _library(items: Path) -> _Library:
    return _load(items / "credentials")


def listed(node: Node) -> tuple[ListedType, ...]:
    """The list of licence types as it came (证照类型目录), in its order."""
    return _library(node.settings.items_dir).listed


def types(node: Node) -> tuple[CredentialType, ...]:
    """Every credential type this node knows (证照类型). Raises SettingsError for a template that is wrong."""
    return tuple(_library(node.settings.items_dir).by_code.values())


def type_of(node: Node, code: str) -> CredentialType | None:
    """The type of that 21-character code, or None."""
    return _library(node.settings.items_dir).by_code.get(code)


def type_named(node: Node, name: str) -> CredentialType | None:
    """The type of that Chinese name (营业执照), or None; an empty name is None."""
    return _library(node.settings.items_dir).by_name.get(name)


def purposes(node: Node) -> tuple[Purpose, ...]:
    """The registered purposes of verifying (核对用途)."""
    return tuple(_library(node.settings.items_dir).purposes.values())


def purpose(node: Node, purpose_id: str) -> Purpose | None:
    """The purpose of that id, or None."""
    return _library(node.settings.items_dir).purposes.get(purpose_id)


@cache
def _halls(path: Path) -> tuple[Hall, ...]:
    try:
        found = msgspec.convert(msgspec.yaml.decode(path.read_bytes()), list[Hall])
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    return tuple(found)


def halls(node: Node) -> tuple[Hall, ...]:
    """The halls of all nodes that print and hand over (打印大厅)."""
    path = node.settings.items_dir / "credentials" / "halls.yaml"
    return _halls(path) if path.exists() else ()


def hall(node: Node, code: str) -> Hall | None:
    """The hall of that code, or None."""
    return next((one for one in halls(node) if one.code == code), None)

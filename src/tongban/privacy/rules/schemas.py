"""JSON Schemas of what a copy holds 数据结构说明: what stands under which heading, drawn from the entries themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def data_schema(title: str, rows: Iterable[Mapping[str, object]]) -> dict[str, Any]:
    """The schema of one data file (一类信息的结构): places, their entries, their files."""
    entry = _of(list(rows)) | {"description": f"一条“{title}”"}
    place = {
        "type": "object",
        "properties": {
            "节点": {"type": "string", "description": "存在哪里"},
            "条目": {"type": "array", "items": entry},
            "文件": {"type": "array", "items": _FILE},
            "没有放进来": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["节点", "条目"],
        "additionalProperties": False,
    }
    return {
        "$schema": _DRAFT, "title": title, "type": "object",
        "properties": {
            "$schema": {"type": "string"}, "名称": {"const": title}, "各处": {"type": "array", "items": place},
        },
        "required": ["名称", "各处"], "additionalProperties": False,
    }  # fmt: skip


_FILE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "文件": {"type": "string", "description": "在这个压缩包里的位置；空的是没有放进来"},
        "名称": {"type": "string"}, "类型": {"type": "string"}, "大小": {"type": "integer", "description": "字节"},
        "没有放进来": {"type": "string", "description": "为什么"},
    },
    "required": ["文件", "名称", "类型", "大小"], "additionalProperties": False,
}  # fmt: skip


def _of(values: list[Any]) -> dict[str, Any]:
    """The schema of values that stand in one place: several kinds are a choice between them."""
    found = [_one(kind, [one for one in values if _kind(one) == kind]) for kind in sorted({_kind(one) for one in values})]
    if not found:
        return {}
    return found[0] if len(found) == 1 else {"anyOf": found}


def _one(kind: str, values: list[Any]) -> dict[str, Any]:
    if kind == "object":
        headings = dict.fromkeys(heading for one in values for heading in one)
        made: dict[str, Any] = {"type": "object", "properties": {one: _of([row[one] for row in values if one in row]) for one in headings}}
        always = [one for one in headings if all(one in row for row in values)]
        return made | ({"required": always} if always else {}) | {"additionalProperties": False}
    if kind == "array":
        return {"type": "array", "items": _of([inner for one in values for inner in one])}
    if kind == "string" and all(_MOMENT.fullmatch(one) for one in values):
        return {"type": "string", "format": "date-time"}
    if kind == "string" and all(_DAY.fullmatch(one) for one in values):
        return {"type": "string", "format": "date"}
    return {"type": kind}


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case Mapping():
            return "object"
        case _:
            return "array"

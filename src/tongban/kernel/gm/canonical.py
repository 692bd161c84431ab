"""JSON with exactly one form (规范化 JSON): writing by RFC 8785, reading by I-JSON (RFC 7493).

>>> jcs({"b": [1, True, None], "a": "四川"}).decode()
'{"a":"四川","b":[1,true,null]}'
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, NoReturn

import msgspec

from tongban.kernel.gm.errors import BadEncoding

LARGEST_INTEGER: Final = 2**53 - 1
_DEEPEST: Final = 64


def jcs(value: object) -> bytes:
    """The canonical bytes of `value` (RFC 8785), for the part of JSON the nodes speak (federation.md 1).

    Takes str, int, bool, None, lists, tuples, string-keyed mappings and msgspec Structs of these. Raises BadEncoding for
    floats, integers beyond ±(2^53-1), lone surrogates and anything else: what two programs could write differently.
    """
    try:
        if _plain(value, 0):
            return _write(value)
        return json.dumps(_ordered(value, 0), ensure_ascii=False, separators=(",", ":"), check_circular=False).encode("utf-8")
    except UnicodeEncodeError as why:
        raise BadEncoding("gm.json_surrogate", "a lone surrogate is no text") from why


_write = msgspec.json.Encoder(order="sorted").encode
"""For plain values the same bytes as the long way: order of code is the order of RFC 8785 where all names are ASCII."""


def _plain(value: object, depth: int) -> bool:
    """Whether `value` is made of exactly the types of JSON, with ASCII names and numbers in range; else the long way decides."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return -LARGEST_INTEGER <= value <= LARGEST_INTEGER  # type: ignore[operator]  # kind was just looked at
    if depth >= _DEEPEST:
        return False
    if kind is dict:
        for name, item in value.items():  # type: ignore[attr-defined]
            if type(name) is not str or not name.isascii() or not (type(item) is str or _plain(item, depth + 1)):
                return False
        return True
    if kind is list or kind is tuple:
        return all(type(item) is str or _plain(item, depth + 1) for item in value)  # type: ignore[attr-defined]
    return False


def _ordered(value: object, depth: int) -> object:
    if depth > _DEEPEST:
        raise BadEncoding("gm.json_depth", f"deeper than {_DEEPEST} levels")
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        return _integer(value)  # type: ignore[arg-type]  # kind was just looked at
    if kind is dict:  # looked at first: what a Mapping or a Struct is takes longer to find out than to write it
        return {name: _ordered(value[name], depth + 1) for name in _names(value)}  # type: ignore[index,arg-type]
    if kind is list or kind is tuple:
        return [_ordered(item, depth + 1) for item in value]  # type: ignore[attr-defined]
    if isinstance(value, msgspec.Struct):
        return _ordered(msgspec.to_builtins(value), depth)
    if isinstance(value, Mapping):
        return {name: _ordered(value[name], depth + 1) for name in _names(value)}
    if isinstance(value, list | tuple):
        return [_ordered(item, depth + 1) for item in value]
    if isinstance(value, str):  # a StrEnum and its like
        return str.__str__(value)
    raise BadEncoding("gm.json_type", f"{kind.__name__} has no canonical form")


def _integer(value: int) -> int:
    if abs(value) > LARGEST_INTEGER:
        raise BadEncoding("gm.json_integer", "an integer beyond ±(2^53-1)")
    return value


def _names(value: Mapping[str, object]) -> list[str]:
    """The names in the order of RFC 8785; where all are ASCII, any order of code is that order."""
    try:
        if "".join(value).isascii():
            return sorted(value)
    except TypeError:
        pass  # a name that is no text: said below
    return sorted(value, key=_utf16)


def _utf16(name: object) -> bytes:
    """RFC 8785 section 3.2.3 orders names by UTF-16 code units, which is not the order of code points."""
    if not isinstance(name, str):
        raise BadEncoding("gm.json_name", "a name that is no text")
    return name.encode("utf-16-be", "surrogatepass")


def parse_json(data: bytes | str) -> object:
    """The value of I-JSON bytes: str, int, bool, None, list, dict. Raises BadEncoding.

    Refuses what readers disagree about: duplicate names, fractions and exponents, large integers, NaN, lone surrogates,
    a byte order mark, nesting beyond 64 levels.
    """
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        value: object = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            parse_int=_parse_integer,
        )
        if not _plain(value, 0):
            _ordered(value, 0)
        text.encode("utf-8")
        if "\\u" in text:
            jcs(value)  # escapes may spell lone surrogates
    except UnicodeError as why:
        raise BadEncoding("gm.json_text", "not UTF-8 text") from why
    except RecursionError as why:
        raise BadEncoding("gm.json_depth", f"deeper than {_DEEPEST} levels") from why
    except json.JSONDecodeError as why:
        raise BadEncoding("gm.json_syntax", "not JSON") from why
    return value


def parse_object(data: bytes | str) -> dict[str, object]:
    """As `parse_json`, and the value must be an object (JSON 对象). Raises BadEncoding."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise BadEncoding("gm.json_object", "not a JSON object")
    return value


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadEncoding("gm.json_duplicate", "a name stands twice in one object")
    return found


def _refuse_number(_text: str) -> NoReturn:
    raise BadEncoding("gm.json_number", "only integers are allowed")


def _parse_integer(text: str) -> int:
    if len(text) > 17:
        raise BadEncoding("gm.json_integer", "an integer beyond ±(2^53-1)")
    if text == "-0":
        raise BadEncoding("gm.json_number", "minus zero is not an integer")
    return _integer(int(text))

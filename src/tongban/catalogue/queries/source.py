"""YAML with line numbers 带行号的 YAML: what a definition file says, and on which line each part stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from tongban.catalogue.errors import DefinitionBroken

T = TypeVar("T")
QUOTED = "put codes and numbers that begin with 0 in quotes"


class Source(msgspec.Struct, frozen=True):
    """One YAML file, read (定义文件): its values and the line of every part, by path (`$.steps[0].name`)."""

    path: Path
    value: Any
    lines: dict[str, int]

    def line(self, path: str) -> int:
        """The line of a part, or of the nearest part around it."""
        while path and path not in self.lines:
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        return self.lines.get(path, 1)

    def broken(self, path: str, what: str, fix: str) -> DefinitionBroken:
        """The error to raise about one part."""
        return DefinitionBroken(str(self.path), self.line(path), what, fix)


def read(path: Path) -> Source:
    """Read a file; raises DefinitionBroken for one that is missing, empty, twice-keyed or no YAML."""
    try:
        text = path.read_text("utf-8")
    except OSError:
        raise DefinitionBroken(str(path), 1, "the file is missing", f"write {path.name}, see items/README.md") from None
    except UnicodeDecodeError:
        raise DefinitionBroken(str(path), 1, "not UTF-8", "save the file as UTF-8") from None
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
        value = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "cannot be read"
        raise DefinitionBroken(str(path), (mark.line + 1) if mark else 1, f"not YAML: {what}", "check the indentation") from None
    if node is None:
        raise DefinitionBroken(str(path), 1, "the file is empty", "write the definition, see items/README.md")
    lines: dict[str, int] = {}
    _walk(path, node, "$", lines)
    return Source(path, value, lines)


def _walk(file: Path, node: yaml.Node, path: str, lines: dict[str, int]) -> None:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise DefinitionBroken(str(file), key.start_mark.line + 1, f"`{name}` stands here twice", "keep one of them")
            seen.add(name)
            _walk(file, value, f"{path}.{name}", lines)
            lines[f"{path}.{name}"] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            _walk(file, value, f"{path}[{number}]", lines)


def convert(source: Source, kind: type[T], value: Any | None = None) -> T:
    """The file's values as a Struct; raises DefinitionBroken at the line msgspec complains about."""
    try:
        return msgspec.convert(source.value if value is None else value, kind, strict=True)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `")
        place = path.rstrip("`") or "$"
        unknown = what.partition("unknown field `")[2].rstrip("`")
        missing = what.partition("missing required field `")[2].rstrip("`")
        if unknown:
            known = ", ".join(_known(kind, place))
            fix = f"remove it or use one of: {known}" if known else "remove it"
            raise source.broken(f"{place}.{unknown}", f"unknown key `{unknown}`", fix) from None
        if missing:
            raise source.broken(place, f"`{missing}` is missing", f"add `{missing}:` here") from None
        fix = QUOTED if "Expected `str`" in what else "see items/README.md for what stands here"
        raise source.broken(place, f"{what} at {place}", fix) from None


def _known(kind: type[Any], path: str) -> list[str]:
    """The keys allowed at a path, as far as the types tell."""
    here: Any = kind
    for part in path.replace("[...]", "").replace("]", "").replace("[", ".").split(".")[1:]:
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(here)} if _is_struct(here) else {}
        here = _struct_in(fields.get(part, here)) if not part.isdigit() else here
    return [field.encode_name for field in msgspec.structs.fields(here)] if _is_struct(here) else []


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _struct_in(kind: Any) -> Any:
    return next((one for one in getattr(kind, "__args__", ()) if _is_struct(one)), kind)

"""Making the credential's entries from the answers 结果取值: templates of the definition, filled; no Python per item."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tongban.catalogue.model import Answers, Form, Item

PART = re.compile(r"\{([^{}]*)\}")
SPECIALS = frozenset({"@decided_on", "@credit_code", "@organisation", "@applicant_name", "@applicant_number", "@previous"})


def sources_of(template: str) -> set[str]:
    """Every field and special a template speaks of (用到的字段).

    >>> sorted(sources_of("{new_address|or:address} {@decided_on}"))
    ['@decided_on', 'address', 'new_address']
    """
    found: set[str] = set()
    for inner in PART.findall(template):
        name, *pipes = inner.split("|")
        found.add(name)
        found |= {pipe[3:] for pipe in pipes if pipe.startswith("or:")}
    return found


def credential_data(item: Item, answers: Answers, known: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
    """The entries of the credential this case ends in (证照内容), by the keys of its type.

    `known` holds what the deciding office knows, by special name (`@decided_on` …), and `@previous.<entry>` for what
    the replaced credential said. `places` turns division codes into names. An entry with nothing in it is left out.
    """
    made: dict[str, str] = {}
    for entry, template in item.result.data.items():
        empty = False

        def fill(match: re.Match[str], entry: str = entry) -> str:
            nonlocal empty
            value = _value(item.form, match[1], answers, known, places, entry)
            empty = empty or not value
            return value

        text = PART.sub(fill, template)
        if text and not empty:
            made[entry] = text
    return made


def _value(form: Form, inner: str, answers: Answers, known: Mapping[str, str], places: Mapping[str, str], entry: str) -> str:
    name, *pipes = inner.split("|")
    if name == "@previous":
        return known.get(f"@previous.{entry}", "")
    if name.startswith("@"):
        return known.get(name, "")
    value = _text(form, name, answers, label="label" in pipes)
    for pipe in pipes:
        if pipe.startswith("or:") and not value:
            value = _text(form, pipe[3:], answers, label=False)
        elif pipe == "place":
            value = places.get(value, value)
    return value


def _text(form: Form, name: str, answers: Answers, *, label: bool) -> str:
    answer, field = answers.get(name), form.field(name)
    words = {option.value: option.label for option in field.options} if field and label else {}
    if isinstance(answer, bool):
        return "是" if answer else "否"
    if isinstance(answer, list):
        return "；".join(words.get(one, one) for one in answer if isinstance(one, str))
    return words.get(answer, answer) if isinstance(answer, str) else ""

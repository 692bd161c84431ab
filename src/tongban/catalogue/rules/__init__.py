"""Judgements of the catalogue 判断: pure functions; the day and the facts are arguments."""

from tongban.catalogue.rules.conditions import ConditionBroken, holds, proven
from tongban.catalogue.rules.consistency import findings
from tongban.catalogue.rules.facts import SAMPLE, Facts, MaterialNeeded, facts, materials_needed
from tongban.catalogue.rules.form import Planned, check, kept, parse_answers, prefill_plan, visible
from tongban.catalogue.rules.identity import body_of, digest_of, identified, item_from
from tongban.catalogue.rules.places import ancestors, area, gives_in
from tongban.catalogue.rules.result import credential_data

__all__ = [
    "SAMPLE",
    "ConditionBroken",
    "Facts",
    "MaterialNeeded",
    "Planned",
    "ancestors",
    "area",
    "body_of",
    "check",
    "credential_data",
    "digest_of",
    "facts",
    "findings",
    "gives_in",
    "holds",
    "identified",
    "item_from",
    "kept",
    "materials_needed",
    "parse_answers",
    "prefill_plan",
    "proven",
    "visible",
]

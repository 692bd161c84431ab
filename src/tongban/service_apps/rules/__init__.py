"""Judgements of 应用管理: the life cycle as a table, the access standard as functions over facts. Pure."""

from tongban.service_apps.rules.figures import failing
from tongban.service_apps.rules.html import Page, read_page
from tongban.service_apps.rules.life import Transition, digest_of, may_step, transitions
from tongban.service_apps.rules.standard import Facts, ItemFacts, judge, rules
from tongban.service_apps.rules.tokens import contrast, read_tokens

__all__ = [
    "Facts",
    "ItemFacts",
    "Page",
    "Transition",
    "contrast",
    "digest_of",
    "failing",
    "judge",
    "may_step",
    "read_page",
    "read_tokens",
    "rules",
    "transitions",
]

"""Judgements of this room (材料的规则): files by their content, packages by their manifest. Pure."""

from tongban.evidence.rules.files import check, file_name, shown, sniff
from tongban.evidence.rules.limits import ARCHIVING

term_of = ARCHIVING.term_of

__all__ = ["check", "file_name", "shown", "sniff", "term_of"]

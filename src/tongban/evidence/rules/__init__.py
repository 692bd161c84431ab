"""Judgements of this room (材料的规则): files by their content, packages by their manifest. Pure."""

from tongban.evidence.rules.files import check, file_name, sniff

__all__ = ["check", "file_name", "sniff"]

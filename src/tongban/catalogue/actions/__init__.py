"""Verbs that change the catalogue 动作: publish, withdraw, take over what others published, import reference data."""

from tongban.catalogue.actions.publish import BELL, CHANNELS, Published, Withdrawn, publish, shelve, withdraw
from tongban.catalogue.actions.receive import ItemNotBelieved, take_away, take_over
from tongban.catalogue.actions.reference import load_reference, service_entry

__all__ = [
    "BELL",
    "CHANNELS",
    "ItemNotBelieved",
    "Published",
    "Withdrawn",
    "load_reference",
    "publish",
    "service_entry",
    "shelve",
    "take_away",
    "take_over",
    "withdraw",
]

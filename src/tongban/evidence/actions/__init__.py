"""Verbs of this room (动作)."""

from tongban.evidence.actions.archive import (
    archive,
    archives_from,
    case_of_number,
    clear,
    dossier_of,
    due,
    end_cleared,
    finish,
    forget_files,
    withdraw,
)
from tongban.evidence.actions.fetching import fetch_wanted
from tongban.evidence.actions.hand_over import give_back
from tongban.evidence.actions.leaving import kept_for, leave, unlink
from tongban.evidence.actions.materials import (
    DROP,
    WANTED,
    arrive,
    drop,
    follow,
    keep_document,
    open_travelling,
    put,
    remove,
    store,
    travel,
    use,
)
from tongban.evidence.actions.scan import judged, scan_waiting
from tongban.evidence.actions.tidy import UNUSED, end_unused, retain, sweep, tidy

__all__ = [
    "DROP",
    "UNUSED",
    "WANTED",
    "archive",
    "archives_from",
    "arrive",
    "case_of_number",
    "clear",
    "dossier_of",
    "drop",
    "due",
    "end_cleared",
    "end_unused",
    "fetch_wanted",
    "finish",
    "follow",
    "forget_files",
    "give_back",
    "judged",
    "keep_document",
    "kept_for",
    "leave",
    "open_travelling",
    "put",
    "remove",
    "retain",
    "scan_waiting",
    "store",
    "sweep",
    "tidy",
    "travel",
    "unlink",
    "use",
    "withdraw",
]

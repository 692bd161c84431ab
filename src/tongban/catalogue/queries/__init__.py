"""Looking without touching 查询: rows become Structs at once; definitions are read from their folders."""

from tongban.catalogue.queries.current import Current, current, drop
from tongban.catalogue.queries.definition import basics_in, canonical, load_definition, load_folder
from tongban.catalogue.queries.items import (
    basic_item,
    basic_items,
    changed_since,
    departments,
    drafts,
    item,
    items,
    listing,
    published,
)
from tongban.catalogue.queries.preview import preview_token, preview_valid
from tongban.catalogue.queries.reference import (
    children,
    division,
    division_names,
    division_path,
    entries,
    entry,
    find_divisions,
    life_events,
    reference_lists,
    reference_rows,
    themes,
)

__all__ = [
    "Current",
    "basic_item",
    "basic_items",
    "basics_in",
    "canonical",
    "changed_since",
    "children",
    "current",
    "departments",
    "division",
    "division_names",
    "division_path",
    "drafts",
    "drop",
    "entries",
    "entry",
    "find_divisions",
    "item",
    "items",
    "life_events",
    "listing",
    "load_definition",
    "load_folder",
    "preview_token",
    "preview_valid",
    "published",
    "reference_lists",
    "reference_rows",
    "themes",
]

"""Looking without touching (查询): materials, packages, the content store."""

from tongban.evidence.queries.content import content_store, scanner
from tongban.evidence.queries.materials import (
    AAD,
    ciphertext,
    fetch,
    material,
    materials,
    of_row,
    open_travelling,
    piece_of,
    plain,
    purpose_of,
    read,
    uses,
)

__all__ = [
    "AAD",
    "ciphertext",
    "content_store",
    "fetch",
    "material",
    "materials",
    "of_row",
    "open_travelling",
    "piece_of",
    "plain",
    "purpose_of",
    "read",
    "scanner",
    "uses",
]

"""Looking without touching (查询): materials, packages, the content store."""

from tongban.evidence.queries.content import content_store, scanner
from tongban.evidence.queries.given import Given, Reading, given
from tongban.evidence.queries.materials import (
    AAD,
    SHOWS,
    TAG,
    beginning,
    ciphertext,
    file_at,
    material,
    materials,
    of_row,
    openable,
    opened,
    piece_of,
    plain,
    purpose_of,
    read,
    uses,
)

__all__ = [
    "AAD",
    "SHOWS",
    "TAG",
    "Given",
    "Reading",
    "beginning",
    "ciphertext",
    "content_store",
    "file_at",
    "given",
    "material",
    "materials",
    "of_row",
    "openable",
    "opened",
    "piece_of",
    "plain",
    "purpose_of",
    "read",
    "scanner",
    "uses",
]

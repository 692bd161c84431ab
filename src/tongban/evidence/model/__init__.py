"""Nouns of this room (名词): files handed in, archive packages."""

from tongban.evidence.model.archives import (
    MANIFEST_TYPE,
    RECEIPT_TYPE,
    Archive,
    Batch,
    Dossier,
    Enclosed,
    Piece,
    Step,
)
from tongban.evidence.model.files import KINDS, LARGEST, Material, Opened, Scan, Sent, Travelling, Use

__all__ = [
    "KINDS",
    "LARGEST",
    "MANIFEST_TYPE",
    "RECEIPT_TYPE",
    "Archive",
    "Batch",
    "Dossier",
    "Enclosed",
    "Material",
    "Opened",
    "Piece",
    "Scan",
    "Sent",
    "Step",
    "Travelling",
    "Use",
]

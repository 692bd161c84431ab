"""材料 (evidence): what people hand in, checked by its content, encrypted, named by its digest (R-403, guide 公共支撑).

Nouns: **material** 材料, **use** 用在哪里, **content address** 内容地址. A file is told by looking inside it, never by its name;
it lies encrypted under its own key and is found by the digest of the ciphertext, so equal files of two people do not
betray each other. The file is on disk, synced, before its row commits.

    kept = await evidence.store(tx, node, actor, form.file("photo"), kind="photo")       # Material | Refusals
    opened = await evidence.read(tx, node, subject, kept.id)                             # plain content, for one answer
    carried = await evidence.travel(tx, node, subject, kept.id, used_in="case:…", to="510000")   # for a letter's body
"""

from tongban import identity
from tongban.evidence.actions import (
    archive,
    archives_from,
    arrive,
    due,
    fetch_wanted,
    follow,
    forget_files,
    keep_document,
    kept_for,
    open_travelling,
    remove,
    store,
    travel,
    unlink,
    use,
    withdraw,
)
from tongban.evidence.errors import BeingScanned, ContentAway, MaterialUnknown, NoRoom, PackageTooLarge
from tongban.evidence.model import (
    KINDS,
    LARGEST,
    Archive,
    Batch,
    Dossier,
    Enclosed,
    Material,
    Opened,
    Piece,
    Sent,
    Step,
    Travelling,
    Use,
)
from tongban.evidence.providers.disputes import DisputeMaterials
from tongban.evidence.queries import ciphertext, file_at, material, materials, piece_of, read, uses
from tongban.evidence.queries.archives import archive_of
from tongban.evidence.rules import check, sniff, term_of

__all__ = [
    "KINDS",
    "LARGEST",
    "Archive",
    "Batch",
    "BeingScanned",
    "ContentAway",
    "Dossier",
    "Enclosed",
    "Material",
    "MaterialUnknown",
    "NoRoom",
    "Opened",
    "PackageTooLarge",
    "Piece",
    "Sent",
    "Step",
    "Travelling",
    "Use",
    "archive",
    "archive_of",
    "archives_from",
    "arrive",
    "check",
    "ciphertext",
    "due",
    "fetch_wanted",
    "file_at",
    "follow",
    "forget_files",
    "keep_document",
    "kept_for",
    "material",
    "materials",
    "open_travelling",
    "piece_of",
    "read",
    "remove",
    "sniff",
    "store",
    "term_of",
    "travel",
    "unlink",
    "use",
    "uses",
    "withdraw",
]

identity.follow_subject(follow)
identity.rows_followed("material", "material_use")
identity.follow_rows("archive")
identity.use_evidence(DisputeMaterials())

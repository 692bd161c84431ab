"""编号 identifiers: UUIDs of rows, and the national identifiers with their check characters. Requirements R-204, R-401.

Each value type is frozen, made by `parse` (what people typed or printed) or `make` (a new one), and holds the text in
`.value`. `parse` raises BadIdentifier, whose `.sentence` can be drawn beside the field.

>>> CreditCode.parse("11100000000013338W").value
'11100000000013338W'
>>> IdNumber.parse("11010519491231002X").masked
'110105**********2X'
"""

from tongban.kernel.ids.codes import CredentialId, CreditCode, ItemCode, RegionCode
from tongban.kernel.ids.errors import BadIdentifier
from tongban.kernel.ids.numbers import CaseNumber, Fen
from tongban.kernel.ids.person import IdNumber
from tongban.kernel.ids.uuids import is_uuid, uuid7, uuid8

__all__ = [
    "BadIdentifier",
    "CaseNumber",
    "CredentialId",
    "CreditCode",
    "Fen",
    "IdNumber",
    "ItemCode",
    "RegionCode",
    "is_uuid",
    "uuid7",
    "uuid8",
]

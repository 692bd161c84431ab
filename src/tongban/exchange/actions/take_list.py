"""Take a list 取名录: a list of another office, under a grant this node holds, as one file that is whole or is not given (R-402)."""

from __future__ import annotations

import asyncio
import csv
import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import IO

import msgspec

from tongban import transparency
from tongban.exchange.actions.flow import stream
from tongban.exchange.actions.post import division
from tongban.exchange.model import HeldGrant, Resource, Unavailable
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node

FILE_BYTES = 200_000_000
_CODE = 6
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ListTaken(msgspec.Struct, frozen=True):
    """A whole list as a file (取到的名录): rows, and where its bytes are; the file is nobody else's and goes when it is closed."""

    rows: int
    size: int
    file: IO[bytes]


async def take_list(
    node: Node, actor: Actor, found: Resource, *, held: Sequence[HeldGrant], purpose: str, purpose_words: str, place: str
) -> ListTaken | Unavailable | Refusals:
    """Everything of the list about one place, as a table for a spreadsheet (取名录). The owner asks the grant before each piece.

    The columns are what the grant of that purpose gives, as its owner told us (`held`): an empty one would look like a fact.

    What came before a cut is thrown away: a list with a hole in it looks like a whole one. Who took it is a leaf of this node's log.
    """
    actor.require_may("exchange.propose", division=division(node))
    wrong = []
    if not (place.isascii() and place.isdigit() and len(place) == _CODE):
        wrong.append(Refusal("exchange.place", "区划代码是 6 位数字，例如 510100", "place"))
    if not purpose.strip() or not purpose.isascii():
        wrong.append(Refusal("exchange.purpose", "写授权里的用途代码，例如 policy.match", "purpose"))
    if len(purpose_words.strip()) < 2:
        wrong.append(Refusal("exchange.purpose_words", "用一句话写清取来做什么", "purpose_words"))
    if wrong:
        return tuple(wrong)
    file: IO[bytes] = tempfile.TemporaryFile(dir=node.settings.data_dir)  # noqa: SIM115  handed on, closed by whoever sends it
    rows = 0
    fields = given_fields(found, held, purpose.strip())
    try:
        file.write(b"\xef\xbb\xbf" + _table([list(found.words(fields))]))
        pieces = stream(
            node, actor, resource=found.id, fields=fields, purpose=purpose.strip(), asked={"division": place}, purpose_words=purpose_words.strip()
        )
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, Unavailable):
                    file.close()
                    return piece
                rows += len(piece)
                await asyncio.to_thread(file.write, _table(_cells(piece, fields)))
                if file.tell() > FILE_BYTES:
                    file.close()
                    return (Refusal("exchange.list_too_large", "这份名录太大，一次取不了。写小一点的地区再取", "place"),)
    except BaseException:
        file.close()
        raise
    size = file.tell()
    file.seek(0)
    async with node.db.transaction() as tx:
        await transparency.append(tx, "data.list_taken", jcs({"v": 1, "resource": found.id, "purpose": purpose.strip(), "rows": rows, "by": actor.staff_id or ""}))
    log("exchange.list_taken", service=found.id, count=rows)
    return ListTaken(rows, size, file)


def given_fields(found: Resource, held: Sequence[HeldGrant], purpose: str) -> tuple[str, ...]:
    """The fields of a list that a grant of this purpose gives (授权给的几项); all of them when none was told: then its owner says no."""
    grant = next((one for one in held if one.purpose == purpose), None)
    return tuple(one.name for one in found.fields if grant is None or one.name in grant.fields)


def _cells(piece: Iterable[Mapping[str, str]], fields: tuple[str, ...]) -> list[list[str]]:
    """A value that a spreadsheet would reckon out is marked as text: what another office wrote does nothing here."""
    return [[f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in (row.get(name, "") for name in fields)] for row in piece]


def _table(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()

"""Every row of identifier_vectors.csv, and the published examples of the check-digit standards."""

import csv
from pathlib import Path

import pytest

from tongban.kernel.ids import BadIdentifier, CredentialId, CreditCode, IdNumber, ItemCode
from tongban.kernel.ids.checks import mod_11_10, mod_37_36

ROWS = list(csv.DictReader((Path(__file__).parent / "data" / "identifier_vectors.csv").read_text("utf-8").splitlines()))
KINDS = {
    "cert_id": CredentialId, "uscc": CreditCode, "citizen_id": IdNumber, "implementation_code": ItemCode, "handle_item_code": ItemCode,
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["value"])
def test_vector(row):
    if (
        row["kind"] == "case_no"
    ):  # another province's own form: implementation code, day, serial; kept as an outside number
        assert ItemCode.parse(row["value"][:31]).form == "implementation"
        return
    kind = KINDS[row["kind"]]
    if row["expect"] == "valid":
        assert kind.parse(row["value"]).value == row["value"]
    else:
        with pytest.raises(BadIdentifier):
            kind.parse(row["value"])


@pytest.mark.parametrize("row", [row for row in ROWS if row["expect"] == "valid" and row["kind"] in {"cert_id", "uscc", "citizen_id"}],
                         ids=lambda row: row["value"])  # fmt: skip
def test_every_single_wrong_character_is_found(row):
    value, kind = row["value"], KINDS[row["kind"]]
    start = len(CredentialId.ROOT) + 1 if kind is CredentialId else 0
    for place in range(start, len(value)):
        for sign in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            if sign != value[place] and value[place] != ".":
                with pytest.raises(BadIdentifier):
                    kind.parse(value[:place] + sign + value[place + 1 :])


def test_iso_7064_examples():
    """0794 + 5 for MOD 11,10 is the standard's own; A1-2425G-ABC1234002-M is the example of the Global Release Identifier."""
    assert mod_11_10("0794") == "5"
    assert mod_37_36("A12425GABC1234002") == "M"

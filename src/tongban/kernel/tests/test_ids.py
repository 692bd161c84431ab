"""The identifiers: what people type is understood, what is wrong is said in a sentence, and numbers stay private."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongban.kernel.ids import (
    BadIdentifier,
    CaseNumber,
    CredentialId,
    CreditCode,
    Fen,
    IdNumber,
    ItemCode,
    RegionCode,
    is_uuid,
    uuid7,
    uuid8,
)

REGISTRAR = CreditCode.make("11", "510104", "MADEMQ0Q1")


def test_uuids_sort_by_time_and_derived_ones_repeat():
    made = [uuid7() for _ in range(100)]
    assert len(set(made)) == 100
    assert all(one[14] == "7" and is_uuid(one) for one in made)
    assert made[0][:8] <= made[-1][:8]
    assert uuid8("case.state", "500000", made[0]) == uuid8("case.state", "500000", made[0])
    assert uuid8("case.state", "500000", made[0]) != uuid8("case.state", "510000", made[0])
    assert uuid8("x")[19] in "89ab"
    assert not is_uuid(made[0].upper())


def test_an_id_number_as_typed():
    for typed in (" 110105 1949 1231 002x ", "１１０１０５１９４９１２３１００２Ｘ", "11010519491231002X"):
        number = IdNumber.parse(typed)
        assert number.value == "11010519491231002X"
    assert number.birth == date(1949, 12, 31)
    assert number.sex == "female"
    assert number.age(date(2026, 12, 30)) == 76
    assert number.age(date(2026, 12, 31)) == 77
    assert (number.region, number.masked) == ("110105", "110105**********2X")


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("1101051949123100", "ids.id_number_length"),
        ("11010519491231002Y", "ids.id_number_form"),
        ("1101O519491231002X", "ids.id_number_form"),
        ("11010519491331002X", "ids.id_number_birth"),
        ("11010519490229002X", "ids.id_number_birth"),
        ("110105194912310020", "ids.id_number_check"),
        ("99010519491231002X", "ids.id_number_region"),
        ("١١٠١٠٥١٩٤٩١٢٣١٠٠٢X", "ids.id_number_form"),
    ],
)
def test_a_wrong_id_number_says_why_and_never_repeats_it(typed, code):
    with pytest.raises(BadIdentifier) as caught:
        IdNumber.parse(typed)
    assert caught.value.code == code
    assert typed not in f"{caught.value!r}{caught.value}{caught.value.sentence}"
    refusal = caught.value.refusal("number")
    assert (refusal.code, refusal.field) == (code, "number")


def test_a_birth_in_the_future_is_refused_when_the_day_is_known():
    child = IdNumber.make("510104", date(2026, 11, 19), 1)
    assert IdNumber.parse(child.value, today=date(2026, 11, 19)) == child
    with pytest.raises(BadIdentifier):
        IdNumber.parse(child.value, today=date(2026, 11, 18))


def test_an_id_number_does_not_show_itself():
    number = IdNumber.parse("11010519491231002X")
    for shown in (repr(number), str(number), f"{number}", repr([number]), repr(number.personal)):
        assert "1949" not in shown
    assert number.personal.reveal() == number.value


@given(
    st.dates(date(1900, 1, 1), date(2026, 12, 31)), st.integers(0, 999), st.sampled_from(["510104", "500103", "110105"])
)
def test_made_id_numbers_parse(birth, order, region):
    number = IdNumber.make(region, birth, order)
    assert (number.birth, number.region) == (birth, region)
    assert number.sex == ("male" if order % 2 else "female")


@given(st.text(alphabet="0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=9, max_size=9))
def test_made_credit_codes_parse(organisation):
    code = CreditCode.make("91", "510104", organisation)
    assert CreditCode.parse(f" {code.value[:8]} {code.value[8:].lower()}") == code
    assert (code.kind, code.region) == ("enterprise", "510104")


def test_wrong_credit_codes():
    for typed, code in (("9151", "length"), ("9151010IMADEMO0001", "form"), (REGISTRAR.value[:17] + "?", "form")):
        with pytest.raises(BadIdentifier) as caught:
            CreditCode.parse(typed)
        assert caught.value.code == f"ids.credit_code_{code}"


def test_regions():
    assert [RegionCode.parse(code).level for code in ("510000", "510100", "510104")] == ["province", "city", "county"]
    county = RegionCode.parse("510104001002")
    assert county.value == "510104"
    assert county.within("51")
    assert county.within("510100")
    assert not county.within("50")
    assert not RegionCode.parse("510000").within("5101")
    assert (county.province, RegionCode.parse("510100").prefix) == ("510000", "5101")
    for bad in ("51010", "5101044", "51010x", "000000", "510004", "٥١٠١٠٤"):
        with pytest.raises(BadIdentifier):
            RegionCode.parse(bad)


def test_item_codes():
    code = ItemCode.make(REGISTRAR, 4, "000131001000", 2)
    assert (code.form, code.level, code.basic) == ("handling", 4, "000131001000")
    assert code.implementation == code.value[:31]
    assert code.organisation == REGISTRAR
    assert ItemCode.parse("000131001000").organisation is None
    for bad in ("00013100100", "00013100100x", REGISTRAR.value + "7" + "000131001000", "9" * 31):
        with pytest.raises(BadIdentifier):
            ItemCode.parse(bad)


@given(st.text(alphabet="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=30), st.integers(1, 999))
def test_made_credential_ids_parse(serial, version):
    made = CredentialId.make("11100000000013338W011", REGISTRAR, serial, version)
    assert CredentialId.parse(made.value.lower()) == made


def test_a_legal_documents_identifier_is_no_credential():
    value = CredentialId.make("11100000000013338W011", REGISTRAR, "1").value
    for bad in (
        value.replace("3005.2.", "3005.6."),
        value.removesuffix(value[-2:]),
        value.replace(".001.", ".000."),
        value + ".1",
    ):
        with pytest.raises(BadIdentifier):
            CredentialId.parse(bad)


@given(st.dates(date(2020, 1, 1), date(2099, 12, 31)), st.integers(1, 9_999_999), st.integers(0, 21), st.integers(1, 9))
def test_case_numbers_find_a_wrong_digit(day, sequence, place, shift):
    number = CaseNumber.make("500000", day, sequence)
    assert CaseNumber.parse(number.grouped) == number
    assert (number.day, number.sequence, number.division) == (day, sequence, "500000")
    wrong = number.value[:place] + str((int(number.value[place]) + shift) % 10) + number.value[place + 1 :]
    with pytest.raises(BadIdentifier):
        CaseNumber.parse(wrong)


def test_case_numbers_as_read_aloud():
    number = CaseNumber.make("500000", date(2026, 11, 20), 17)
    assert number.grouped == "5000 0020 2611 2000 0001 72"
    assert CaseNumber.parse("5000-0020-2611-2000-0001-72") == number
    for bad in ("", "5" * 22, number.value[:-1]):
        with pytest.raises(BadIdentifier):
            CaseNumber.parse(bad)


def test_money_is_whole_fen():
    assert Fen.parse("￥1,000.5元") == Fen(100_050)
    assert (Fen(5).yuan, str(Fen(1250)), Fen(1) + Fen(2)) == ("0.05", "12.50 元", Fen(3))
    for bad in ("", "-1", "1.234", "一百", "1e3", "٣"):
        with pytest.raises(BadIdentifier):
            Fen.parse(bad)
    with pytest.raises(BadIdentifier):
        Fen(-1)

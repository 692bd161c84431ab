"""The `GZ1:` text itself: form, signature, time, tampering; read from its picture by two scanners (T-52, R-404)."""

from __future__ import annotations

import io
import random
from datetime import UTC, date, datetime, timedelta

import cbor2
import pytest
import segno
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from pyzbar import pyzbar

from tongban.credentials.errors import BadPicture
from tongban.credentials.model import Shown, StatusList, Unreadable
from tongban.credentials.rules import base45, layout, pictures, presentation, record, showing
from tongban.kernel.gm import Sm2PrivateKey

AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)


class Key:
    """A node's signing key as a KeyStore gives it."""

    def __init__(self, kid: str = "500000/s1") -> None:
        self.kid = kid
        self.private = Sm2PrivateKey.generate()
        self.public = self.private.public

    def sign(self, data: bytes) -> bytes:
        return self.private.sign(data)


KEY = Key()


def find(kid: str, _seconds: int):
    return KEY.public if kid == KEY.kid else None


def made(key: Key = KEY, **more) -> str:
    return presentation.encode(
        key,
        **{
            "home": "500000", "issuer": "510000", "org_code": "11510100MB0000001Y", "org_name": "成都市市场监督管理局（演示）",
            "type_code": "11100000MB0143028R001", "opaque": bytes(range(16)), "attributes": {2: "成都市演示科技有限公司", 1: "91510100MADEMA1T0P"},
            "state": "valid", "state_at": AT - timedelta(minutes=3), "valid_until": date(2036, 5, 11), "at": AT, "jti": b"12345678", **more,
        },
    )  # fmt: skip


def read(text: str, seconds: float = 1):
    return presentation.read(text, find, AT.timestamp() + seconds)


def test_what_goes_in_comes_out():
    shown = read(made())
    assert isinstance(shown, Shown)
    assert shown.attributes == {1: "91510100MADEMA1T0P", 2: "成都市演示科技有限公司"}
    assert (shown.home, shown.issuer, shown.state, shown.valid_until) == (
        "500000",
        "510000",
        "valid",
        date(2036, 5, 11),
    )
    assert shown.expires_at - shown.issued_at == timedelta(seconds=60)


def test_size_fits_a_phone():
    """At most 350 bytes, so that a module is at least 3 px at 320 px (ux.md 1.5)."""
    text = made()
    assert len(base45.decode(text[4:])) <= 350
    code = segno.make(text, error="m", mask=3, boost_error=False, micro=False)
    assert 320 / (code.symbol_size(border=4)[0]) >= 3


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(-31, "not_yet"), (-30, None), (0, None), (60, None), (60.5, "too_old"), (61, "too_old"), (91, "too_old")],
)
def test_time(seconds, reason):
    found = read(made(), seconds)
    assert (found.reason if isinstance(found, Unreadable) else None) == reason


def test_every_flipped_bit_is_refused():
    """1,500 single-bit changes over the whole COSE message: none verifies, none crashes (T-52)."""
    raw = base45.decode(made()[4:])
    places = random.Random(7).sample(range(len(raw) * 8), 1500)
    for place in places:
        changed = bytearray(raw)
        changed[place // 8] ^= 1 << place % 8
        assert isinstance(read("GZ1:" + base45.encode(bytes(changed))), Unreadable), place


@given(st.binary(max_size=300))
def test_any_bytes_are_only_unreadable(data):
    assert isinstance(read("GZ1:" + base45.encode(data)), Unreadable)


@given(st.text(max_size=80))
def test_any_text_is_only_unreadable(text):
    assert isinstance(read(text), Unreadable)
    assert isinstance(read("GZ1:" + text), Unreadable)


@given(st.binary(max_size=200))
def test_base45_is_its_own_inverse(data):
    assert base45.decode(base45.encode(data)) == data


@pytest.mark.parametrize("text", ["A", ":::", "a", "GGW", "00::", "AB\n", "汉字"])
def test_base45_refuses_what_nobody_writes(text):
    with pytest.raises(ValueError):
        base45.decode(text)


def test_wrong_key_other_home_and_unknown_kid():
    stranger = Key()
    assert read(made(stranger)).reason == "bad_signature"
    assert read(made(Key("510000/s1"))).reason == "unknown_key"
    assert read(made(home="510000")).reason == "bad_signature"


def resigned(change) -> str:
    """A message of our own key with its parts changed before signing."""
    protected, unprotected, payload, _ = cbor2.loads(base45.decode(made()[4:]))
    header, body = cbor2.loads(protected), cbor2.loads(payload)
    change(header, unprotected, body)
    protected, payload = cbor2.dumps(header), cbor2.dumps(body)
    return "GZ1:" + base45.encode(
        cbor2.dumps([protected, unprotected, payload, KEY.sign(presentation.signed_bytes(protected, payload))])
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda h, u, b: h.__setitem__(1, -7),  # another algorithm
        lambda h, u, b: u.__setitem__(1, -65537),  # something unprotected
        lambda h, u, b: h.__setitem__(2, [1]),  # a critical header nobody knows
        lambda h, u, b: b.__setitem__(4, b[6] + 3600),  # an hour long
        lambda h, u, b: b.__setitem__(4, b[6]),
        lambda h, u, b: b.__setitem__(7, b"short"),
        lambda h, u, b: b[-65537].__setitem__(5, b"short"),
        lambda h, u, b: b[-65537].__setitem__(6, {"name": "x"}),
        lambda h, u, b: b[-65537].__setitem__(7, 9),
        lambda h, u, b: b[-65537].__setitem__(8, 10**18),
        lambda h, u, b: b[-65537].__setitem__(9, "2026-13-40"),
        lambda h, u, b: b.pop(-65537),
    ],
)
def test_well_signed_but_wrong_contents(change):
    assert isinstance(read(resigned(change)), Unreadable)


def test_control_of_the_test_above():
    assert isinstance(read(resigned(lambda h, u, b: None)), Shown)


def png(text: str, scale: int) -> Image.Image:
    out = io.BytesIO()
    segno.make(text, error="m", mask=3, boost_error=False, micro=False).save(out, kind="png", scale=scale, border=4)
    out.seek(0)
    return Image.open(out).convert("L")


@pytest.mark.parametrize("blur", [0, 1.5])
@pytest.mark.parametrize("angle", [0, 17, 90, 183])
def test_two_scanners_read_the_picture(angle, blur):
    """R-404: a screenshot, turned and out of focus (a quarter of a module), read by zbar and zxing-cpp."""
    text = made()
    picture = png(text, 6).rotate(angle, expand=True, fillcolor=255).filter(ImageFilter.GaussianBlur(blur))
    assert zxingcpp.read_barcodes(picture)[0].text == text
    assert pyzbar.decode(picture)[0].data.decode() == text


def test_the_svg_on_the_page_is_the_same_code():
    """Its modules, drawn from the path of the page's own SVG, are read back."""
    import re

    text = made()
    svg = layout.qr_svg(text)
    size = int(re.search(r'viewBox="0 0 (\d+)', svg).group(1))
    grid = Image.new("L", (size, size), 255)
    path = re.findall(r'd="([^"]+)"', svg)[-1]
    x = y = 0.0
    for verb, numbers in re.findall(r"([Mmh])([-\d. ]+)", path):
        values = [float(one) for one in numbers.split()]
        if verb == "M":
            x, y = values
        elif verb == "m":
            x, y = x + values[0], y + values[1]
        else:
            for step in range(int(values[0])):
                grid.putpixel((int(x) + step, int(y)), 0)
            x += values[0]
    picture = grid.resize((size * 5, size * 5), Image.Resampling.NEAREST)
    assert zxingcpp.read_barcodes(picture)[0].text == text
    assert "style" not in svg
    assert "#0b1a2b" in svg


def test_a_photo_is_bounded_before_it_is_opened():
    out = io.BytesIO()
    Image.new("L", (9000, 9000), 255).save(out, "PNG")
    with pytest.raises(BadPicture) as why:
        pictures.read_code(out.getvalue())
    assert "像素" in why.value.sentence
    with pytest.raises(BadPicture):
        pictures.read_code(b"\xff" * (pictures.LARGEST_BYTES + 1))
    blank = io.BytesIO()
    Image.new("L", (300, 300), 255).save(blank, "JPEG")
    with pytest.raises(BadPicture) as none:
        pictures.read_code(blank.getvalue())
    assert "没找到二维码" in none.value.sentence


def test_status_list_holds_exceptions_in_few_bytes():
    import zlib

    packed = zlib.compress(b"")
    for index in (0, 1, 4711, 65535):
        packed = record.with_state(packed, index, "revoked")
    packed = record.with_state(packed, 1, "suspended")
    packed = record.with_state(packed, 4711, "valid")
    held = StatusList("510000", 1, AT, record.unpack(packed))
    assert [held.state(index) for index in (0, 1, 2, 4711, 65535, 70000, -1)] == [
        "revoked", "suspended", "valid", "valid", "revoked", "valid", "valid",
    ]  # fmt: skip
    assert len(packed) < 200
    with pytest.raises(ValueError, match="status list"):
        record.unpack(zlib.compress(b"\0" * (record.LIST_BYTES + 1)))
    with pytest.raises(ValueError, match="status list"):
        record.unpack(b"nonsense")


@pytest.mark.parametrize(
    ("born", "today", "said"),
    [
        ("2008-11-18", "2026-11-18", "是"),
        ("2008-11-19", "2026-11-18", "否"),
        ("2008-02-29", "2026-02-28", "否"),
        ("2008-02-29", "2026-03-01", "是"),
    ],
)
def test_eighteen(born, today, said):
    assert showing.derived("over18:birth", {"birth": born}, date.fromisoformat(today)) == said


def test_masks_hide_the_middle():
    assert showing.mask("陈晓雨") == "陈*雨"
    assert showing.mask("陈雨") == "陈*"
    assert showing.mask("50010319980511004X") == "5001**********004X"


def test_even_the_whole_card_fits_a_code():
    """A business scope of a page is cut to what a screen can show (40 characters a field)."""
    from pathlib import Path

    from tongban.credentials.queries.types import _load
    from tongban.credentials.tests import make as cases

    types = _load(Path(__file__).resolve().parents[4] / "items" / "credentials")
    kind = next(one for one in types.by_code.values() if one.name == "营业执照")
    values = {**cases.COMPANY, "business_scope": "软件开发；" * 300, "address": "演示路" * 100, "registrar": "局" * 100}
    found = showing.attributes(kind, kind.disclosure("full"), values, date(2026, 11, 18))
    assert found[5].endswith("…")
    text = made(attributes=found)
    assert isinstance(read(text), Shown)
    assert zxingcpp.read_barcodes(png(text, 4))[0].text == text

"""Reading a code out of a photo (识别照片里的码): bounded in bytes and pixels before anything is unpacked."""

from __future__ import annotations

import io
from typing import Final

import zxingcpp
from PIL import Image, ImageOps, UnidentifiedImageError

from tongban.credentials.errors import BadPicture

LARGEST_BYTES: Final = 8 * 1024 * 1024
LARGEST_PIXELS: Final = 40_000_000
_SIDE: Final = 2400
_QR: Final = zxingcpp.barcode_formats_from_str("QRCode")


def read_code(data: bytes) -> str:
    """The text of the first QR code in a JPEG, PNG or WebP picture. Raises BadPicture in words."""
    if len(data) > LARGEST_BYTES:
        raise BadPicture("照片太大，最多 8 MB")
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
            if picture.width * picture.height > LARGEST_PIXELS:
                raise BadPicture("照片的像素太多")
            picture.draft("L", (_SIDE, _SIDE))
            grey = ImageOps.exif_transpose(picture).convert("L")
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        ValueError,
        SyntaxError,
    ) as why:
        raise BadPicture("这不是照片，只收 JPG、PNG") from why
    grey.thumbnail((_SIDE, _SIDE))
    for found in zxingcpp.read_barcodes(grey, formats=_QR):
        if found.text:
            return str(found.text)
    raise BadPicture("照片里没找到二维码，可能太暗、太糊或者没拍全")

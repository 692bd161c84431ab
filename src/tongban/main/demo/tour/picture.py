"""A camera 拍照: the code on the screen as a picture, as a phone would photograph it."""

from __future__ import annotations

import io
import re

from PIL import Image

from tongban.main.demo.visitor import NotAsExpected

_SCALE = 8


def photograph(html: bytes) -> bytes:
    """A PNG of the first QR drawn as SVG in a page: dark runs `M x y h n` (and `m`) of one module height.

    Raises NotAsExpected when the page shows no code.
    """
    text = html.decode("utf-8")
    drawn = re.search(r'<svg[^>]*viewBox="0 0 (\d+) (\d+)"[^>]*class="qr[^>]*>(.*?)</svg>', text, re.DOTALL)
    if drawn is None:
        raise NotAsExpected("the page shows no QR code")
    size = int(drawn[1])
    paths = re.findall(r' d="([^"]+)"', drawn[3])
    picture = Image.new("L", (size * _SCALE, size * _SCALE), 255)
    x = y = 0.0
    for verb, numbers in re.findall(r"([MmhvHVz])([^MmhvHVz]*)", paths[-1]):
        values = [float(one) for one in re.findall(r"-?\d*\.?\d+", numbers)]
        if verb == "M":
            x, y = values[0], values[1]
        elif verb == "m":
            x, y = x + values[0], y + values[1]
        elif verb == "h":
            top = int(y - 0.5)
            picture.paste(0, (int(x * _SCALE), top * _SCALE, int((x + values[0]) * _SCALE), (top + 1) * _SCALE))
            x += values[0]
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()

"""The picture of a seal (印模): a plain round seal with the department's name around, 演示 in the middle of an invented one.

No state emblem and no star is drawn; a deployment supplies its registered picture. Eight colours, so it stays small: it
lies three times in a sealed document.
"""

from __future__ import annotations

import io
import math
from typing import Final

import pylopdf_fonts_zh_cn
from PIL import Image, ImageDraw, ImageFont

SIZE_MM: Final = 40
_PIXELS: Final = 360
_FINE: Final = 3
_RED: Final = (196, 30, 42)


def draw(name: str, *, middle: str, foot: str = "") -> bytes:
    """A PNG of the seal with `name` on its arc, `middle` in the centre and `foot` below (画印模)."""
    side = _PIXELS * _FINE
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    edge = int(side * 0.02)
    pen.ellipse((edge, edge, side - edge, side - edge), outline=255, width=int(side * 0.026))
    _arc(mask, name, side)
    _flat(pen, middle, side, at=0.5, height=0.17)
    if foot:
        _flat(pen, foot, side, at=0.74, height=0.085)
    mask = mask.resize((_PIXELS, _PIXELS), Image.Resampling.LANCZOS)
    return _small(mask)


def _font(pixels: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(pylopdf_fonts_zh_cn.serif_path()), max(8, int(pixels)))


def _flat(pen: ImageDraw.ImageDraw, text: str, side: int, *, at: float, height: float) -> None:
    font = _font(side * min(height, 0.62 / max(1, len(text))))
    pen.text((side / 2, side * at), text, font=font, fill=255, anchor="mm", stroke_width=side // 400)


def _arc(mask: Image.Image, text: str, side: int) -> None:
    """Characters on a circle from lower left to lower right, upright to the centre."""
    sweep = min(270.0, 24.0 * len(text))
    em = side * min(0.125, 2 * math.pi * 0.38 * (sweep / 360) / max(1, len(text)) * 1.06)
    font = _font(em)
    radius = side * 0.385
    box = int(em * 1.6)
    for at, character in enumerate(text):
        angle = -sweep / 2 + sweep * (at + 0.5) / len(text)
        tile = Image.new("L", (box, box), 0)
        ImageDraw.Draw(tile).text(
            (box / 2, box / 2), character, font=font, fill=255, anchor="mm", stroke_width=side // 500
        )
        tile = tile.rotate(-angle, resample=Image.Resampling.BICUBIC)
        x = side / 2 + radius * math.sin(math.radians(angle)) - box / 2
        y = side / 2 - radius * math.cos(math.radians(angle)) - box / 2
        mask.paste(255, (int(x), int(y)), tile)


def _small(mask: Image.Image) -> bytes:
    """Eight steps of one red over nothing, as a palette picture with transparency."""
    steps = 8
    levels = mask.point(lambda value: min(steps - 1, (value * steps) // 256))
    picture = Image.new("P", mask.size)
    picture.putpalette(bytes(_RED) * steps)
    picture.putdata(list(levels.tobytes()))
    out = io.BytesIO()
    alpha = bytes(round(255 * step / (steps - 1)) for step in range(steps))
    picture.save(out, "PNG", optimize=True, transparency=alpha, bits=3)
    return out.getvalue()

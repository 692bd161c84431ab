"""Colours and sizes as the stylesheet's tokens state them (颜色和尺寸变量). Contrast as WCAG 2.2 defines it. Pure."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_PROPERTY = re.compile(r"(--[a-z0-9-]+)\s*:\s*([^;}]+)")
_ELDER = re.compile(r"""\[data-mode=["']?elder["']?\](:not\([^)]*\))?""")


def read_tokens(stylesheet: str, mode: str) -> dict[str, str]:
    """The tokens that hold in that mode (`""` or `elder`): `:root`, then the root's elder rules, outside any @media."""
    found: dict[str, str] = {}
    for selector, body in _blocks(_COMMENT.sub("", stylesheet)):
        parts = [part.strip() for part in selector.split(",")]
        if ":root" in parts or (mode == "elder" and any(_ELDER.fullmatch(part) for part in parts)):
            found.update({name: value.strip() for name, value in _PROPERTY.findall(body)})
    return found


def _blocks(text: str) -> list[tuple[str, str]]:
    """Selector and body of each rule that stands at the outermost level; rules inside @media and the like are left out."""
    found, start, depth, selector, body_start = [], 0, 0, "", 0
    for place, sign in enumerate(text):
        if sign == "{":
            if depth == 0:
                selector, body_start = text[start:place].strip(), place + 1
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                if not selector.startswith("@"):
                    found.append((selector, text[body_start:place]))
                start = place + 1
    return found


def pixels(value: str) -> float | None:
    """A length in CSS pixels at 100 %, from `px` or `rem`; None for anything else."""
    match = re.fullmatch(r"(\d*\.?\d+)(px|rem)", value)
    if match is None:
        return None
    return float(match.group(1)) * (16 if match.group(2) == "rem" else 1)


def contrast(first: str, second: str) -> float | None:
    """The contrast of two `#rgb` or `#rrggbb` colours, 1 to 21 (WCAG 2.2 1.4.3); None when one is no such colour.

    >>> round(contrast("#000", "#ffffff"))
    21
    """
    one, other = _luminance(first), _luminance(second)
    if one is None or other is None:
        return None
    high, low = max(one, other), min(one, other)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float | None:
    text = colour.removeprefix("#")
    if len(text) == 3:
        text = "".join(sign * 2 for sign in text)
    if not re.fullmatch(r"[0-9a-fA-F]{6}", text):
        return None
    parts = [int(text[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

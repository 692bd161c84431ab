"""Check characters (校验码): the sums of GB 11643, GB 32100 and ISO 7064, as pure functions."""

from __future__ import annotations

import unicodedata
from typing import Final

DIGITS_AND_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CREDIT_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""GB 32100 leaves out I, O, S, V and Z: 31 symbols."""

_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CREDIT_WEIGHTS: Final = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


def mod_11_2(digits17: str) -> str:
    """The last character of an ID number (ISO 7064 MOD 11-2, as GB 11643-1999 writes it).

    >>> mod_11_2("11010519491231002")
    'X'
    """
    total = sum(int(digit) * weight for digit, weight in zip(digits17, _ID_WEIGHTS, strict=True))
    return "10X98765432"[total % 11]


def credit_check(first17: str) -> str:
    """The last character of a unified social credit code (GB 32100-2015): weights 3^i mod 31.

    >>> credit_check("11100000000013338")
    'W'
    """
    total = sum(CREDIT_ALPHABET.index(sign) * weight for sign, weight in zip(first17, _CREDIT_WEIGHTS, strict=True))
    return CREDIT_ALPHABET[(31 - total % 31) % 31]


def mod_37_36(text: str) -> str:
    """The check character over digits and letters (ISO 7064 MOD 37,36), used by GB/T 36904.

    >>> mod_37_36("11100000000013338W01111430000006122244L20990000001001")
    'L'
    """
    return _hybrid(text, DIGITS_AND_LETTERS)


def mod_11_10(digits: str) -> str:
    """The check digit over digits (ISO 7064 MOD 11,10), used by case numbers (decisions.md D-8).

    >>> mod_11_10("0794")
    '5'
    """
    return _hybrid(digits, DIGITS_AND_LETTERS[:10])


def _hybrid(text: str, alphabet: str) -> str:
    """The hybrid system of ISO 7064 section 9: modulus M+1 and M, one check character of the same alphabet."""
    size = len(alphabet)
    rest = size
    for sign in text:
        rest = (rest + alphabet.index(sign)) % size or size
        rest = rest * 2 % (size + 1)
    return alphabet[(size + 1 - rest) % size]


def normal(text: str) -> str:
    """As people type it, made plain: full-width forms, blanks, hyphens of display, letter case."""
    return "".join(unicodedata.normalize("NFKC", text).split()).upper()


def digits_only(text: str, length: int) -> bool:
    """Whether `text` is that many of 0-9 (str.isdigit knows other digits too)."""
    return len(text) == length and text.isascii() and text.isdigit()

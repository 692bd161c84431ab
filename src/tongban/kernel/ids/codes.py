"""Public codes 公共编码: divisions, organisations, items, credentials. None of them names a person."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from tongban.kernel.ids.checks import CREDIT_ALPHABET, DIGITS_AND_LETTERS, credit_check, digits_only, mod_37_36, normal
from tongban.kernel.ids.errors import BadIdentifier

_ITEM_FORMS: Final[dict[int, Literal["basic", "implementation", "handling"]]] = {
    12: "basic",
    31: "implementation",
    33: "handling",
}
_SERIAL: Final = re.compile(r"[0-9A-Z]{1,64}")


class RegionCode(msgspec.Struct, frozen=True, order=True):
    """A division of GB/T 2260, six digits (行政区划代码): 510000 四川省, 510100 成都市, 510104 锦江区.

    Only the shape is checked; names and what exists today are data (`divisions.csv`).

    >>> RegionCode.parse("510104").level, RegionCode.parse("510104").within("5101")
    ('county', True)
    """

    value: str

    @classmethod
    def parse(cls, text: str) -> RegionCode:
        """Six digits, or twelve of a town or village, of which the county's six are kept. Raises BadIdentifier."""
        code = normal(text)
        if digits_only(code, 12):
            code = code[:6]
        if not digits_only(code, 6) or code[0] in "09" or (code[2:4] == "00" and code[4:] != "00"):
            raise BadIdentifier("ids.region_form", "行政区划代码是 6 位数字")
        return cls(code)

    @property
    def level(self) -> Literal["province", "city", "county"]:
        """Which storey of the state it names."""
        return "province" if self.value[2:] == "0000" else "city" if self.value[4:] == "00" else "county"

    @property
    def province(self) -> str:
        """Its province's six digits."""
        return self.value[:2] + "0000"

    @property
    def prefix(self) -> str:
        """The digits that all divisions inside it begin with: 51, 5101, 510104."""
        return self.value[: {"province": 2, "city": 4, "county": 6}[self.level]]

    def within(self, prefix: str) -> bool:
        """Whether it lies in the division of that prefix (`51`, `5101`) or code (`510100`)."""
        return self.value.startswith(RegionCode.parse(prefix).prefix if len(prefix) == 6 else prefix)

    def __str__(self) -> str:
        return self.value


class CreditCode(msgspec.Struct, frozen=True, order=True):
    """A unified social credit code with the right check character (统一社会信用代码, GB 32100-2015).

    >>> CreditCode.parse("11100000000013338w").kind
    'government'
    """

    value: str

    @classmethod
    def parse(cls, text: str) -> CreditCode:
        """The code as typed: blanks, full-width forms and small letters are understood. Raises BadIdentifier."""
        code = normal(text)
        if len(code) != 18:
            raise BadIdentifier("ids.credit_code_length", "统一社会信用代码应该是 18 位，请数一数是不是少了或多了")
        if any(sign not in CREDIT_ALPHABET for sign in code) or not digits_only(code[2:8], 6):
            raise BadIdentifier(
                "ids.credit_code_form", "统一社会信用代码由数字和大写字母组成，没有 I、O、S、V、Z，请检查有没有输错"
            )
        if credit_check(code[:17]) != code[17]:
            raise BadIdentifier("ids.credit_code_check", "统一社会信用代码有一位输错了，请对照证照再看一遍")
        return cls(code)

    @classmethod
    def make(cls, prefix: str, region: str, organisation: str) -> CreditCode:
        """An invented code (演示): 2 characters of kind, 6 digits, 9 of organisation. Raises BadIdentifier."""
        body = normal(prefix + region + organisation)
        if len(body) != 17 or any(sign not in CREDIT_ALPHABET for sign in body):
            raise BadIdentifier("ids.credit_code_form", "前 17 位由数字和大写字母组成，没有 I、O、S、V、Z")
        return cls.parse(body + credit_check(body))

    @property
    def kind(self) -> Literal["government", "institution", "social", "enterprise", "household", "cooperative", "other"]:
        """By its first two characters (机关、事业单位、社会组织、企业、个体工商户、农民专业合作社)."""
        kinds: dict[str, Literal["government", "institution", "social", "enterprise", "household", "cooperative"]] = {
            "11": "government",
            "12": "institution",
            "51": "social",
            "52": "social",
            "53": "social",
            "91": "enterprise",
            "92": "household",
            "93": "cooperative",
        }
        return kinds.get(self.value[:2], "other")

    @property
    def region(self) -> str:
        """The six digits of the division that registered it."""
        return self.value[2:8]

    def __str__(self) -> str:
        return self.value


class ItemCode(msgspec.Struct, frozen=True, order=True):
    """A code of a service item (事项编码, GB/T 39554): 基本编码 12, 实施编码 31 or 业务办理项编码 33 characters.

    >>> ItemCode.parse("11370800MB285591843370117002011").basic
    '370117002011'
    """

    value: str

    @classmethod
    def parse(cls, text: str) -> ItemCode:
        """The code; in the longer forms the organisation's check character must hold. Raises BadIdentifier."""
        code = normal(text)
        if len(code) not in _ITEM_FORMS:
            raise BadIdentifier("ids.item_code_length", "事项编码是 12、31 或 33 位")
        if len(code) == 12:
            if not digits_only(code, 12):
                raise BadIdentifier("ids.item_code_form", "基本编码是 12 位数字")
            return cls(code)
        CreditCode.parse(code[:18])
        if not digits_only(code[18:], len(code) - 18) or code[18] not in "123456":
            raise BadIdentifier(
                "ids.item_code_form", "实施编码由 18 位统一社会信用代码、1 位行使层级和 12 位基本编码组成"
            )
        return cls(code)

    @classmethod
    def make(cls, organisation: CreditCode, level: int, basic: str, handling: int | None = None) -> ItemCode:
        """An implementation code, or with `handling` (1 to 99) a handling item's. Raises BadIdentifier."""
        return cls.parse(f"{organisation}{level}{basic}" + ("" if handling is None else f"{handling:02d}"))

    @property
    def form(self) -> Literal["basic", "implementation", "handling"]:
        """Which of the three forms it is."""
        return _ITEM_FORMS[len(self.value)]

    @property
    def basic(self) -> str:
        """The 12 digits of the basic item: 2 region, 2 type, 2 department, 3 main, 3 sub."""
        return self.value if self.form == "basic" else self.value[19:31]

    @property
    def implementation(self) -> str | None:
        """The 31 characters of the implementing item, if it is one."""
        return None if self.form == "basic" else self.value[:31]

    @property
    def organisation(self) -> CreditCode | None:
        """Who carries it out, if it is more than a basic code."""
        return None if self.form == "basic" else CreditCode(self.value[:18])

    @property
    def level(self) -> int | None:
        """行使层级: 1 nation, 2 province, 3 city, 4 county, 5 town, 6 village."""
        return None if self.form == "basic" else int(self.value[18])

    def __str__(self) -> str:
        return self.value


class CredentialId(msgspec.Struct, frozen=True, order=True):
    """The identifier of an electronic credential (电子证照标识, GB/T 36904-2018), check character included.

    >>> CredentialId.parse("1.2.156.3005.2.11100000000013338W011.11430000006122244L.20990000001.001.L").version
    1
    """

    ROOT = "1.2.156.3005.2"

    type_code: str
    """证照类型代码: the defining body's credit code and 3 digits."""
    issuer: str
    """The issuing body's credit code."""
    serial: str
    version: int

    @classmethod
    def parse(cls, text: str) -> CredentialId:
        """The identifier as printed. Raises BadIdentifier; another OID arc (3005.6: legal documents) is no licence."""
        code = normal(text)
        if not code.startswith(cls.ROOT + "."):
            raise BadIdentifier("ids.credential_root", "这不是电子证照标识，电子证照标识以 1.2.156.3005.2 开头")
        parts = code[len(cls.ROOT) + 1 :].split(".")
        if len(parts) != 5 or not digits_only(parts[3], 3) or len(parts[4]) != 1:
            raise BadIdentifier("ids.credential_form", "电子证照标识不完整，请检查有没有抄漏")
        found = cls._of(parts[0], parts[1], parts[2], int(parts[3]))
        if found.check != parts[4]:
            raise BadIdentifier("ids.credential_check", "电子证照标识有一位抄错了，请对照证照再看一遍")
        return found

    @classmethod
    def make(cls, type_code: str, issuer: CreditCode, serial: str, version: int = 1) -> CredentialId:
        """The identifier of a new credential. Raises BadIdentifier."""
        CreditCode.parse(type_code[:18])
        return cls._of(type_code, str(issuer), serial, version)

    @classmethod
    def _of(cls, type_code: str, issuer: str, serial: str, version: int) -> CredentialId:
        signs_good = all(sign in DIGITS_AND_LETTERS for sign in type_code + issuer)
        if len(type_code) != 21 or len(issuer) != 18 or not signs_good or not digits_only(type_code[18:], 3):
            raise BadIdentifier("ids.credential_form", "电子证照标识不完整，请检查有没有抄漏")
        if not _SERIAL.fullmatch(serial) or not 1 <= version <= 999:
            raise BadIdentifier("ids.credential_form", "电子证照标识不完整，请检查有没有抄漏")
        return cls(type_code, issuer, serial, version)

    @property
    def check(self) -> str:
        """The check character, over all parts without dots and without the OID."""
        return mod_37_36(f"{self.type_code}{self.issuer}{self.serial}{self.version:03d}")

    @property
    def value(self) -> str:
        """The whole identifier."""
        return f"{self.ROOT}.{self.type_code}.{self.issuer}.{self.serial}.{self.version:03d}.{self.check}"

    def __str__(self) -> str:
        return self.value

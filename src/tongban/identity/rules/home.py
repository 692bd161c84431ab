"""Whose word counts 谁说了算: judging what a home node says about a person (T-03, T-22). Pure.

The hub is never asked: keys come from the home by a signed call, the right to speak from the register's statement.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from tongban.identity.errors import TokenRefused
from tongban.identity.model import ACR_PREFIX
from tongban.identity.tokens import Claims, number

REGISTER_NODE = "mps"
"""The node that keeps the population register 人口登记. The hub has no register and provinces have none."""

ID_TOKEN_AGE = 60
STATEMENT_DAYS = 30
STATEMENT_TYP = "home-statement+jwt"
RELEASE_TYP = "home-release+jwt"
ACCEPT_TYP = "home-accept+jwt"
RELEASE_DAYS = 30
_SUBJECT = re.compile(r"n[a-z0-9]{8,64}")
_SID = re.compile(r"[!-~]{1,100}")
_ENDINGS = ("特别行政区", "维吾尔自治区", "壮族自治区", "回族自治区", "自治区", "省", "市")


class SignedIn(msgspec.Struct, frozen=True):
    """What a home's ID token told, judged: the person, the level and where it came from.

    `acting` is the mandate the session at home acts under; `confirm_until` is set for a minor whose guardian confirms (R-301).
    """

    subject: str
    acr: int
    proof: int
    amr: tuple[str, ...]
    auth_time: datetime
    sid: str
    name_masked: str
    acting: str = ""
    confirm_until: datetime | None = None


def short_name(place: str) -> str:
    """A place as people say it (地名简称).

    >>> short_name("重庆市"), short_name("广西壮族自治区"), short_name("市")
    ('重庆', '广西', '市')
    """
    return next((place.removesuffix(one) for one in _ENDINGS if place.endswith(one) and place != one), place)


def judge_id_token(claims: Claims, *, issuer: str, client: str, nonce: str, now: datetime) -> SignedIn:
    """The sign-in an ID token of another node tells, or TokenRefused: iss, aud, nonce, age, shape (identity.md 6.2)."""
    if claims.get("iss") != issuer:
        raise TokenRefused("iss is not the home asked")
    if claims.get("aud") != client or ("azp" in claims and claims["azp"] != client):
        raise TokenRefused("aud is not this node")
    if claims.get("nonce") != nonce:
        raise TokenRefused("nonce is of another request")
    at = now.timestamp()
    if not -30 <= at - number(claims, "iat") <= ID_TOKEN_AGE or number(claims, "exp") <= at:
        raise TokenRefused("not fresh")
    subject, sid, acr = claims.get("sub"), claims.get("sid"), str(claims.get("acr", ""))
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject) or not isinstance(sid, str) or not _SID.fullmatch(sid):
        raise TokenRefused("no nation subject or no session")
    level = acr.removeprefix(ACR_PREFIX)
    if not acr.startswith(ACR_PREFIX) or level not in ("1", "2", "3", "4"):
        raise TokenRefused("acr unknown")
    proof = claims.get("proof")
    amr = claims.get("amr")
    return SignedIn(
        subject=subject,
        acr=int(level),
        proof=proof if type(proof) is int and 1 <= proof <= 4 else int(level),
        amr=tuple(one for one in amr if isinstance(one, str) and one.isalnum())[:8] if isinstance(amr, list) else (),
        # a sign-in dated ahead would never decay (T-12)
        auth_time=datetime.fromtimestamp(min(number(claims, "auth_time"), at), now.tzinfo),
        sid=sid,
        name_masked="".join(one for one in str(claims.get("name_masked", "")) if one.isprintable())[:40],
        acting=str(claims.get("acting", ""))[:36],
        confirm_until=_until(claims.get("confirm_until")),
    )


def _until(value: object) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if type(value) is int and 0 < value < 4_102_444_800 else None


def judge_statement(claims: Claims, *, subject: str, home: str, register: str, now: datetime) -> None:
    """Raise TokenRefused unless the register says that `home` is the home of `subject`, now (T-22)."""
    if claims.get("iss") != register:
        raise TokenRefused("statement is not the register's")
    if claims.get("sub") != subject or claims.get("home") != home:
        raise TokenRefused("statement is about another person or home")
    if number(claims, "exp") <= now.timestamp():
        raise TokenRefused("statement has run out")


def statement(subject: str, home: str, register: str, now: datetime) -> Claims:
    """The claims of a home statement 账号所在地证明: 30 days."""
    at = int(now.timestamp())
    return {"iss": register, "sub": subject, "home": home, "iat": at, "exp": at + STATEMENT_DAYS * 86400}


def release(subject: str, issuer: str, to: str, move: str, now: datetime) -> Claims:
    """The claims of one side of a move 搬家签字: the old home lets go, or the new home takes; both name the new home."""
    at = int(now.timestamp())
    return {"iss": issuer, "sub": subject, "to": to, "move": move, "iat": at, "exp": at + RELEASE_DAYS * 86400}


def judge_release(claims: Claims, *, subject: str, issuer: str, to: str, now: datetime) -> None:
    """Raise TokenRefused unless `issuer` says, now, that the account of `subject` goes to `to` (identity.md 6.6)."""
    if claims.get("iss") != issuer or claims.get("sub") != subject or claims.get("to") != to:
        raise TokenRefused("signed about another move")
    if not claims.get("move") or number(claims, "exp") <= now.timestamp():
        raise TokenRefused("signature has run out")


def moment(value: object, otherwise: datetime) -> datetime:
    """Unix ms as a moment; `otherwise` for anything else."""
    if not isinstance(value, int) or not 0 < value < 4_102_444_800_000:
        return otherwise
    return datetime.fromtimestamp(value / 1000, UTC)

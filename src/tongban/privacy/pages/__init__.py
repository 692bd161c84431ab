"""HTML door of 个人信息权益: one entrance, a file for each right."""

from __future__ import annotations

from typing import Any

from tongban.privacy.pages import after, closing, copies, desk, holds, papers, rights

routes: list[Any] = [*rights.ROUTES, *copies.ROUTES, *closing.ROUTES, *holds.ROUTES, *desk.ROUTES, *papers.ROUTES, *after.ROUTES]

"""HTML doors of this room (网页)."""

from typing import Any

from tongban import ui
from tongban.evidence.pages import archive, mine

routes: list[Any] = [*mine.ROUTES, *archive.ROUTES]
ROUTES = [ui.Route("/me/materials", "/me/materials", who=("citizen",)), *archive.PATHS]

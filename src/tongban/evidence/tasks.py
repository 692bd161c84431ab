"""Time's door (定时): content of materials that came by letter is fetched at once, and again until it comes."""

from __future__ import annotations

from tongban.evidence.actions import WANTED, fetch_wanted
from tongban.kernel import jobs

JOBS: dict[str, jobs.Handler] = {}
CLOCKS = [jobs.Clockwork("evidence.fetch", 20, fetch_wanted, bell=WANTED)]

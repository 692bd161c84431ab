"""The other nodes' door of identity 身份的信件和调用 (identity.md 14): one file a matter, put together here.

Requirements R-301, R-303, R-304. A new file: write its LETTERS and CALLS and name it in `_FILES`.
"""

from __future__ import annotations

from tongban.identity.letters import accounts, disputes, mandates, reinstate, sessions
from tongban.identity.letters.words import Calls, Letters

_FILES = (accounts, disputes, mandates, sessions)
LETTERS: Letters = {kind: handler for one in _FILES for kind, handler in one.LETTERS.items()}
CALLS: Calls = {service: handler for one in _FILES for service, handler in one.CALLS.items()}
REINSTATE = reinstate.REINSTATE

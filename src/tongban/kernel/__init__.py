"""地基: what every room stands on, and nothing a citizen would recognise.

A closed list: settings, db, clock, ids, errors, actor, gm (SM2/3/4), http, jobs, log, and `node`, which carries them.
Rooms import its modules directly: ``from tongban.kernel.db import Tx``.
"""

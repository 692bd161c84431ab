"""Verbs of 数据共享: fetch from another office, answer one, and the life of a grant."""

from tongban.exchange.actions.fetch import fetch
from tongban.exchange.actions.grants import approve, end, propose, refuse, set_up
from tongban.exchange.actions.serve import serve

__all__ = ["approve", "end", "fetch", "propose", "refuse", "serve", "set_up"]

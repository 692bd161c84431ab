"""Verbs that change the log (动作)."""

from tongban.transparency.actions.append import append, forget
from tongban.transparency.actions.sequence import BATCH, certify, sequence, sign_head
from tongban.transparency.actions.witness import announce, witness

__all__ = ["BATCH", "announce", "append", "certify", "forget", "sequence", "sign_head", "witness"]

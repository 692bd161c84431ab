"""Verbs of 数据共享: the catalogue, demands and grants, fetch and serve, corrections, logs that are compared."""

from tongban.exchange.actions.carry import File, FileCut, carry_file, give_file
from tongban.exchange.actions.catalogue import (
    draft_resource,
    publish_resource,
    resume_resource,
    suspend_resource,
    turn_down_resource,
    withdraw_resource,
)
from tongban.exchange.actions.complaints import answer_complaint, complain
from tongban.exchange.actions.consents import tell_withdrawals
from tongban.exchange.actions.corrections import ask_correction, check_correction, confirm_correction
from tongban.exchange.actions.demands import Wanted, ask, decide, dispute, judge, review, withdraw
from tongban.exchange.actions.fetch import fetch, parts
from tongban.exchange.actions.flow import stream
from tongban.exchange.actions.grants import approve, end, propose, refuse
from tongban.exchange.actions.messages import close_alarm, compare_with
from tongban.exchange.actions.permits import permitted
from tongban.exchange.actions.serve import serve
from tongban.exchange.actions.set_up import seed_licences, set_up

__all__ = [
    "File",
    "FileCut",
    "Wanted",
    "answer_complaint",
    "approve",
    "ask",
    "ask_correction",
    "carry_file",
    "check_correction",
    "close_alarm",
    "compare_with",
    "complain",
    "confirm_correction",
    "decide",
    "dispute",
    "draft_resource",
    "end",
    "fetch",
    "give_file",
    "judge",
    "parts",
    "permitted",
    "propose",
    "publish_resource",
    "refuse",
    "resume_resource",
    "review",
    "seed_licences",
    "serve",
    "set_up",
    "stream",
    "suspend_resource",
    "tell_withdrawals",
    "turn_down_resource",
    "withdraw",
    "withdraw_resource",
]

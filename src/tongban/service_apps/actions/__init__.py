"""Verbs of 应用管理: the steps of the table, the gate's run, publication and what other nodes tell."""

from tongban.service_apps.actions.check import check
from tongban.service_apps.actions.demo import seed_demo
from tongban.service_apps.actions.publish import publish, resume, suspend, take_over, withdraw
from tongban.service_apps.actions.register import draft, edit, register, review

__all__ = [
    "check",
    "draft",
    "edit",
    "publish",
    "register",
    "resume",
    "review",
    "seed_demo",
    "suspend",
    "take_over",
    "withdraw",
]

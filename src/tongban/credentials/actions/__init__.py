"""What is done with credentials 证照的动作."""

from tongban.credentials.actions.gather import request
from tongban.credentials.actions.issue import issue, renew
from tongban.credentials.actions.prints import on_handed_over, order_print
from tongban.credentials.actions.set_up import set_up
from tongban.credentials.actions.status import cancel, resume, revoke, suspend
from tongban.credentials.actions.verify import verify_presentation
from tongban.credentials.actions.wallet import present

__all__ = [
    "cancel",
    "issue",
    "on_handed_over",
    "order_print",
    "present",
    "renew",
    "request",
    "resume",
    "revoke",
    "set_up",
    "suspend",
    "verify_presentation",
]

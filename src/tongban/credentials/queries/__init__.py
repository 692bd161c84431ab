"""Looking at credentials 查证照."""

from tongban.credentials.queries.credentials import credential, of_case, of_holder, views
from tongban.credentials.queries.prints import print_state
from tongban.credentials.queries.receipts import receipt_of
from tongban.credentials.queries.types import halls

__all__ = ["credential", "halls", "of_case", "of_holder", "print_state", "receipt_of", "views"]

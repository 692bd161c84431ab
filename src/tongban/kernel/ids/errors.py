"""A number that is none (号码不对): why, in words a citizen can act on; never the number itself."""

from __future__ import annotations

from tongban.kernel.errors import Refusal


class BadIdentifier(ValueError):
    """An identifier that does not parse (号码不合规). `code` is stable, `sentence` may be shown beside the field."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence

    def refusal(self, field: str | None = None) -> Refusal:
        """The same as a value to draw beside `field`."""
        return Refusal(self.code, self.sentence, field)

"""How a journal fails, on either engine: in words for an operator, and with what of the transaction stands then."""

from __future__ import annotations

from rollout.errors import UserError


class Trouble(UserError):
    """The journal did not take, or give, what was asked of it: nothing of the transaction stands."""


class InDoubt(Trouble):
    """The answer to a COMMIT was lost: it may stand. It is never sent again; the caller reads back whether it does."""

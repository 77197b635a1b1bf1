"""The kinds of failure, so that nobody ever reads an error text to decide what to do.

The adapters translate every failure of AWS, Kubernetes or the network into one of these at the edge; above the
adapters no other error of theirs is known. What an operator can act on is a `Blocker`, with the next command to type.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollout.model.reasons import Reason

#: A process's exit codes, as the README tells them. BUG and RESUMABLE are EX_SOFTWARE and EX_TEMPFAIL of sysexits.h.
DONE, FOR_A_PERSON, USAGE, BUG, RESUMABLE, ANOTHER_ACTIVE, OTHER_VERSION = 0, 1, 2, 70, 75, 76, 77


class EdgeError(Exception):
    """A failure at the edge; `detail` says in one line what the other side answered."""

    def __init__(self, detail: str, *, request_id: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.request_id = request_id


class Retry(EdgeError):
    """Certainly not applied, and may succeed later: it did not come through (throttled, not sent), or as its kinds say.

    `after`: seconds that the other side asks us to wait, None if it does not say.
    """

    def __init__(self, detail: str, *, after: float | None = None, request_id: str | None = None) -> None:
        super().__init__(detail, request_id=request_id)
        self.after = after


class Conflict(Retry):
    """It came through and was not applied, because something else changed the thing just now."""


class Blocked(Retry):
    """The API server itself said no for now, for a reason of the object's own: a budget, a webhook."""


class Gone(EdgeError):
    """The other side itself says that the thing is not there any more: nothing is left to do, and we did not do it."""


class Refused(EdgeError):
    """Certainly not applied, and the same request will never succeed: a person must act."""


class Denied(Refused):
    """The other side's own no, certainly not applied: believed for good only when it lasts.

    An API server that leaves or has just begun does not know us (401, 403); rights, and things that were just made, are
    not known everywhere at once. While a rollout is under way such an answer is asked for again, with patience.
    """


class Unknown(EdgeError):
    """Perhaps applied: the reply was lost, late or not to be parsed. Look before anything is sent again."""


class Failed(Unknown):
    """The API server itself says that it went wrong there (a dead webhook, for one): a look tells what it wrote."""


class Lost(EdgeError):
    """Another runner owns the rollout now: write nothing, release nothing, exit."""


class Bug(EdgeError):
    """The other side's answer contradicts what this code takes for certain."""


class UserError(Exception):
    """What an operator did or configured cannot work: `problem` names thing and cause, `hint` the next command.

    `exit_code`: one of those above.
    """

    def __init__(self, problem: str, *, hint: str = "", exit_code: int = USAGE) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that blocks: what is wrong, what to do about it, and for a rollout's start the reason in one word."""

    problem: str
    hint: str
    reason: Reason | None = None

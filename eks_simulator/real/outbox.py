"""What the simulated half writes to a real cluster: one request after the other, each until it is answered."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eks_simulator.kube.jsons import copied
from eks_simulator.log import Acting, ChangeLog, who
from eks_simulator.real.api import LOST, MERGE, STRATEGIC, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_simulator.kube.resources import Resource
    from eks_simulator.real.api import Answer, RealApi
    from eks_simulator.real.authors import Authors

Object = dict[str, Any]

_TRY_AGAIN = 0.3  # seconds
_TRIES = 100  # of a write that the server refuses, because what it builds on is not there yet or has changed


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as it is to be sent."""

    method: str
    path: str
    body: Object
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Order:
    """A write to one object; `requests` says what must be sent for it, at the moment of sending."""

    name: str
    requests: Callable[[], Iterator[Request]]
    acting: Acting
    ends: bool = False


class Outbox:
    """Orders, carried out in their order."""

    def __init__(self, api: RealApi, authors: Authors, log: ChangeLog) -> None:
        self._api = api
        self._authors = authors
        self._log = log
        self._orders: asyncio.Queue[Order] = asyncio.Queue()
        self.refused: list[str] = []  # what the server would not do, in words

    def put(self, name: str, requests: Callable[[], Iterator[Request]], *, ends: bool = False) -> None:
        """Have it written, in the name of the present actor."""
        self._orders.put_nowait(Order(name, requests, who(), ends=ends))

    async def run(self) -> None:
        """Send, for ever."""
        while True:
            order = await self._orders.get()
            acting = order.acting
            with self._log.acting(acting.actor, acting.verb, acting.request):
                await self._carry_out(order)
            self._orders.task_done()

    async def emptied(self) -> None:
        """Return when all has been sent."""
        await self._orders.join()

    async def _carry_out(self, order: Order) -> None:
        answer: Answer | None = None
        for _ in range(_TRIES):
            again = False
            for request in order.requests():
                answer = await self._send(order, request)
                again = again or _may_work_later(answer)
            if not again:
                break
            await asyncio.sleep(_TRY_AGAIN)
        if answer is not None and answer.code >= 300 and answer.code not in (404, 409):  # noqa: PLR2004 - refused
            self.refused.append(f"{order.name}: {answer.code} {answer.body.get('message', '')}")
            print(f"the API server refuses {self.refused[-1]}", file=sys.stderr)  # noqa: T201 - its only channel

    async def _send(self, order: Order, request: Request) -> Answer:
        """Send until there is an answer: none of ours does harm when it is applied twice."""
        async with self._authors.writing(order.name, ends=order.ends) as write:
            while True:
                try:
                    answer = await self._api(request.method, request.path, request.body, request.content_type)
                except LOST:
                    await asyncio.sleep(_TRY_AGAIN)
                    continue
                write.answered(*answer)
                return answer


def _may_work_later(answer: Answer) -> bool:
    """What it builds on has changed since, or is not there yet: a namespace, its service account."""
    message = str(answer.body.get("message", ""))
    changed = answer.code == 409 and "please apply your changes to the latest version" in message  # noqa: PLR2004
    unready = answer.code == 403 and "service account" in message  # noqa: PLR2004
    return changed or unready or answer.code in (429, 500, 503, 504)


def changes(resource: Resource, before: Object, after: Object) -> Iterator[Request]:
    """Yield the requests that make of the object what it is to be: the status has a path of its own.

    Conditions are merged by their type, since others write some of them; all else is bound to the state it builds on.
    """
    meta = before["metadata"]
    path = path_of(resource, meta.get("namespace"), meta["name"])
    status = _patch(before.get("status") or {}, after.get("status") or {})
    main = _patch(*({key: value for key, value in one.items() if key != "status"} for one in (before, after)))
    if main:
        main.setdefault("metadata", {})["resourceVersion"] = meta["resourceVersion"]
        yield Request("PATCH", path, main, MERGE)
    if status:
        old = (before.get("status") or {}).get("conditions", [])
        if "conditions" in status:
            status["conditions"] = [one for one in status["conditions"] or [] if one not in old]
        yield Request("PATCH", f"{path}/status", {"status": status}, STRATEGIC)


def _patch(before: Object, after: Object) -> Object:
    """Return the merge patch from the one to the other; lists are replaced."""
    patch: Object = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            patch[key] = _patch(old, new)
        else:
            patch[key] = copied(new)
    return patch

"""Lists, whole or in pages. All pages of a list show the state at its first page, however long a client takes."""

from __future__ import annotations

import base64
import itertools
import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from eks_simulator.kube import errors as kube_errors
from eks_simulator.kube.jsons import dumped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_simulator.kube.selectors import Selection
    from eks_simulator.kube.store import Revision, Store

SNAPSHOTS = 64  # unfinished lists that are remembered; a page of an older one is 410


class Page(NamedTuple):
    """Some objects of a list, and the list's `metadata`."""

    revisions: list[Revision]
    meta: dict[str, Any]

    def render(self, selection: Selection) -> bytes:
        """Return the list as JSON, of the JSON that its objects have already."""
        resource = selection.resource
        head = f'{{"kind":"{resource.kind}List","apiVersion":"{resource.group_version}","metadata":'
        items = b",".join(revision.body for revision in self.revisions)
        return head.encode() + dumped(self.meta) + b',"items":[' + items + b"]}"


class _Snapshot(NamedTuple):
    version: int
    revisions: list[Revision]


class Lists:
    """Answers lists, and remembers those that are read in pages."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._numbers = itertools.count(1)
        self._snapshots: OrderedDict[int, _Snapshot] = OrderedDict()

    def page(self, selection: Selection, query: Mapping[str, str]) -> Page:
        """Return the page that the query asks for (`limit`, `continue`); without a limit everything.

        Raises `ApiError`: 400 for a bad number or token, 410 when the token's list is forgotten, 504 for a version to
        come.
        """
        self._check_version(query)
        number, first, snapshot = self._begin(selection, query.get("continue", ""))
        limit = _number(query, "limit")
        if query.get("resourceVersion") == "0":
            limit = 0  # answered from the watch cache, which knows no pages
        last = first + limit if limit else len(snapshot.revisions)
        meta: dict[str, Any] = {"resourceVersion": str(snapshot.version)}
        left = len(snapshot.revisions) - last
        if left > 0:
            self._remember(number, snapshot)
            meta["continue"] = _token(number, last)
            if not selection.selects:
                meta["remainingItemCount"] = left
        return Page(snapshot.revisions[first:last], meta)

    def _check_version(self, query: Mapping[str, str]) -> None:
        wanted, current = _number(query, "resourceVersion"), self._store.resource_version
        if wanted > current:
            raise kube_errors.too_large_version(wanted, current)

    def _begin(self, selection: Selection, token: str) -> tuple[int, int, _Snapshot]:
        if not token:
            return next(self._numbers), 0, _Snapshot(self._store.resource_version, selection.of(self._store))
        number, first = _read_token(token)
        if number not in self._snapshots:
            raise kube_errors.expired_continue()
        return number, first, self._snapshots[number]

    def _remember(self, number: int, snapshot: _Snapshot) -> None:
        self._snapshots[number] = snapshot
        self._snapshots.move_to_end(number)
        if len(self._snapshots) > SNAPSHOTS:
            self._snapshots.popitem(last=False)


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name) or "0"
    if not text.isdecimal():
        raise kube_errors.bad_request(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def _token(number: int, start: int) -> str:
    return base64.urlsafe_b64encode(dumped({"list": number, "start": start})).decode()


def _read_token(token: str) -> tuple[int, int]:
    try:
        read = json.loads(base64.urlsafe_b64decode(token))
        return int(read["list"]), int(read["start"])
    except (ValueError, KeyError, TypeError) as error:
        raise kube_errors.bad_request(f"invalid continue token: continue key is not valid: {error}") from error

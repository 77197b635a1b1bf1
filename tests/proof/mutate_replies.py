"""Replies that make no sense, in a child: cut off, empty, a page of a proxy, of another shape, with senseless values.

What is untrue and makes sense is not among them: who lies consistently is believed.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.httpsession import URLLib3Session

from rollout.adapters import cache, kube_api

#: A proxy's page, as load balancers answer.
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
#: A reply of another API.
_ANOTHER = b'{"kind": "Banana", "apiVersion": "v1", "metadata": {"name": "another", "uid": "u"}, "spec": []}'
_SENSELESS: tuple[Any, ...] = (None, 7, -1, 10**30, "nonsense", [], {}, [None], True)
#: Those that no field is without.
_WRONG: tuple[Any, ...] = (7, -1, 10**30, "nonsense", [None], [7], {"nonsense": 7})
_ALWAYS_THERE = frozenset({"metadata", "items", "uid", "name", "resourceVersion"})
#: In XML.
_NUMBER = re.compile(rb">([0-9]+)<")


def install(path: str, seed: int, *, most: int) -> None:
    """Spoil replies by this seed, `most` at most; what was done is written to the file at `path`."""
    spoiling = _Spoiling(Path(path), random.Random(seed), most)  # noqa: S311  a sample
    kube_api._read = spoiling.around_kubernetes(kube_api._read)  # type: ignore[assignment]
    cache.Watch._take = spoiling.around_events(cache.Watch._take)  # type: ignore[method-assign]
    URLLib3Session.send = spoiling.around_aws(URLLib3Session.send)


class _Spoiling:
    def __init__(self, path: Path, chance: random.Random, most: int) -> None:
        self._path = path
        self._chance = chance
        self._left = most
        self._one_in = chance.choice([3, 10, 40])

    def _strikes(self, what: str) -> bool:
        if self._left <= 0 or self._chance.randrange(self._one_in):
            return False
        self._left -= 1
        with self._path.open("a") as file:
            file.write(f"{what}\n")
        return True

    def around_kubernetes(self, read: Callable[[Any], kube_api.Answer]) -> Callable[[Any], kube_api.Answer]:
        def spoilt(response: Any) -> kube_api.Answer:
            if not self._strikes(f"kubernetes {response.status}"):
                return read(response)
            return read(_Response(*self._spoil(response.status, response.read()), response.headers))

        return spoilt

    def around_events(self, take: Callable[..., None]) -> Callable[..., None]:
        def spoilt(watch: Any, event: Any) -> None:
            take(watch, self._inside(event) if self._strikes("event") else event)

        return spoilt

    def around_aws(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def spoilt(session: Any, request: Any) -> Any:
            response = send(session, request)
            content = response.content
            if self._strikes(f"aws {response.status_code}"):
                response.status_code, response._content = self._spoil(response.status_code, content)
            return response

        return spoilt

    def _spoil(self, status: int, data: bytes) -> tuple[int, bytes]:
        kind = self._chance.randrange(8)
        if kind == 0:
            return status, data[: self._chance.randrange(max(1, len(data) - 1))]
        if kind == 1:
            return status, b""
        if kind == 2:
            return status, _HTML
        if kind == 3:
            return self._chance.choice([400, 401, 403, 404, 429, 500, 502, 503]), _HTML
        if kind == 4:
            return self._chance.choice([401, 403, 404, 503]), b""
        if kind == 5:
            return status, _ANOTHER
        return status, self._in_json(data)

    def _in_json(self, data: bytes) -> bytes:
        try:
            return json.dumps(self._inside(json.loads(data))).encode()
        except ValueError:
            return self._in_xml(data)

    def _in_xml(self, data: bytes) -> bytes:
        """Make one number no number, or call fields otherwise."""
        numbers = [found.span(1) for found in _NUMBER.finditer(data)]
        if numbers and self._chance.randrange(2):
            start, end = self._chance.choice(numbers)
            return data[:start] + b"nonsense" + data[end:]
        return data.replace(b"Id>", b"Odd>").replace(b"Size>", b"Odd>").replace(b"Name>", b"Odd>")

    def _inside(self, value: Any) -> Any:
        """Put a senseless value into one field, or leave out one that must be there."""
        copy = json.loads(json.dumps(value))
        places = list(_places(copy))
        if not places:
            return self._chance.choice(_SENSELESS)
        if self._chance.randrange(2):
            # Any field; what reads as an absent one would be an untruth that makes sense.
            holder, field = self._chance.choice(list(_places(copy, of_all=True)))
            holder[field] = self._chance.choice([one for one in _WRONG if type(one) is not type(holder[field])])
            return copy
        holder, field = self._chance.choice(places)
        if self._chance.randrange(3):
            holder[field] = self._chance.choice([one for one in _SENSELESS if type(one) is not type(holder[field])])
        else:
            del holder[field]
        return copy


class _Response:
    def __init__(self, status: int, data: bytes, headers: Any) -> None:
        self.status = status
        self.headers = headers
        self._data = data

    def read(self) -> bytes:
        return self._data


def _places(value: Any, *, of_all: bool = False) -> Any:
    """Yield every field that no answer lacks, or every field, with what holds it."""
    if isinstance(value, dict):
        yield from ((value, name) for name in value if of_all or name in _ALWAYS_THERE)
    for inside in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _places(inside, of_all=of_all)

"""Which kinds the API server serves, as it says itself: its own and those that others have brought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollout.adapters.understanding import objects, text, understood
from rollout.errors import Refused, Retry
from rollout.model.preflight_observation import Kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rollout.adapters.kube_api import KubeApi

# How often it is asked again where it fails: an API of others whose server has just begun is there in a moment.
_TRIES = 4
# Groups that are looked at first: nearly all that anybody names is there.
_FIRST = ("batch", "apps")


def kinds(api: KubeApi, wanted: Sequence[str], pause: Callable[[], None]) -> Kinds:
    """Return the kinds that are served: those looked for first, and all of them where one of those is missing.

    `wanted`: each KIND or KIND.GROUP. `pause`: waits before it is asked again.
    """
    discovery = _Discovery(api, wanted)
    for left in reversed(range(_TRIES)):
        try:
            discovery.look()
        except Refused as error:
            return Kinds(frozenset(discovery.served), error.detail)
        if not (discovery.failed and left):
            break
        pause()
    return Kinds(frozenset(discovery.served), discovery.failed)


class _Discovery:
    """What has been read so far; `failed`: the first answer of the last look that was none, "" if it brought all."""

    def __init__(self, api: KubeApi, wanted: Sequence[str]) -> None:
        self._api = api
        self._wanted = wanted
        self._read: set[str] = set()
        self.served: set[str] = set()
        self.failed = ""

    def look(self) -> None:
        """Read what is not read yet, until all that is wanted was found."""
        self.failed = ""
        self._try("/api/v1", "")
        groups = self._groups()
        for name in sorted(groups, key=self._rank):
            for path in groups[name]:
                if Kinds(frozenset(self.served)).missing(self._wanted):
                    self._try(path, name)
        if not Kinds(frozenset(self.served)).missing(self._wanted):
            self.failed = ""

    def _rank(self, group: str) -> tuple[bool, bool, str]:
        named = any(kind.endswith(f".{group}") for kind in self._wanted)
        return not named, group not in _FIRST, group

    def _groups(self) -> dict[str, list[str]]:
        """Return the paths of each group's versions."""
        try:
            document = self._api.document("/apis")
            with understood("GET /apis"):
                return {text(one["name"]): _paths(one) for one in objects(document["groups"])}
        except Retry as error:
            self.failed = self.failed or error.detail
            return {}

    def _try(self, path: str, group: str) -> None:
        if path in self._read:
            return
        try:
            document = self._api.document(path)
            with understood(f"GET {path}"):
                found = {text(one["kind"]) for one in objects(document["resources"]) if "/" not in text(one["name"])}
        except Retry as error:
            self.failed = self.failed or error.detail
            return
        self._read.add(path)
        self.served |= {f"{kind}.{group}" if group else kind for kind in found}


def _paths(group: dict[str, Any]) -> list[str]:
    return [f"/apis/{text(one['groupVersion'])}" for one in objects(group["versions"])]

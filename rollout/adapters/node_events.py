"""Events of Kubernetes about nodes: `kubectl describe node` shows them.

An Event's name is that of the line of the history which it tells. So what is sent once more, by a process that goes on
after a crash, is there already, and is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.adapters.kube_api import CONFLICT

if TYPE_CHECKING:
    from rollout.adapters.kube_api import KubeApi
    from rollout.ports import NodeEvent

#: Where Events about what is in no namespace are (ValidateEventCreate of the API server allows no other).
_PATH = "/api/v1/namespaces/default/events"
#: Characters of a message, as the API server's newer Events have it.
_LONGEST = 1024


class ApiNodeEvents:
    """Writes Events to one API server."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    def write(self, event: NodeEvent) -> None:
        at = f"{event.at:%Y-%m-%dT%H:%M:%SZ}"
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": event.name, "namespace": "default"},
            "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": event.node, "uid": event.uid},
            "type": "Warning" if event.warns else "Normal",
            "reason": event.reason,
            "message": event.message[:_LONGEST],
            "source": {"component": "eks-rollout"},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
        answer = self._api.send("POST", _PATH, body)
        if not answer.ok and answer.code != CONFLICT:
            raise self._api.failure(answer, mutating=True)

"""Bad luck: what goes wrong with requests, and in the world by itself."""

from __future__ import annotations

import random
from typing import Any

Part = dict[str, Any]


def world_faults(chance: random.Random, groups: list[str]) -> list[Part]:
    """Return what goes wrong by itself until a moment: instances that do not come, pods that do not go."""
    if chance.randrange(3):
        return []
    kind = chance.choice(["never_joins", "never_ready", "shortage", "subnet_full", "stuck_pod"])
    until = f"{chance.randint(3, 30)}m"
    if kind == "stuck_pod":
        return [{"kind": kind, "pod": chance.choice(["demo/web-0", "demo/job-a", "demo/db"]), "until": until}]
    return [{"kind": kind, "group": chance.choice(groups), "until": until}]


def request_faults(chance: random.Random) -> list[Part]:
    """Return up to four things that go wrong with requests."""
    kinds = (_throttled, _broken, _away, _lost, _late, _stale, _garbled, _unauthorised)
    return [chance.choice(kinds)(chance) for _ in range(chance.choice([0, 0, 1, 2, 4]))]


def _service(chance: random.Random) -> str:
    return chance.choice(["autoscaling", "ec2", "kube"])


def _when(chance: random.Random) -> Part:
    return {"since": f"{chance.randint(0, 1500)}s", "lasts": f"{chance.choice([20, 60, 120, 300])}s"}


def _error(service: str, aws: tuple[int, str], kube: tuple[int, str], **more: Any) -> Part:
    status, code = kube if service == "kube" else aws
    return {"error": {"status": status, "code": code, **more}}


def _throttled(chance: random.Random) -> Part:
    service = _service(chance)
    headers = {"headers": {"Retry-After": "1"}} if service == "kube" else {}
    fault = _error(service, (400, "Throttling"), (429, "TooManyRequests"), **headers)
    return {"match": {"service": service, "every": chance.randint(2, 4)}, **_when(chance), **fault}


def _broken(chance: random.Random) -> Part:
    service = _service(chance)
    applied = chance.choice([True, False])
    fault = _error(service, (500, "InternalFailure"), (500, "InternalError"), applied=applied)
    return {"match": {"service": service, "mutating": True, "every": chance.randint(2, 6)}, **_when(chance), **fault}


def _away(chance: random.Random) -> Part:
    service = _service(chance)
    fault = _error(service, (503, "ServiceUnavailable"), (503, "ServiceUnavailable"))
    return {"match": {"service": service}, **_when(chance), **fault}


def _nth(chance: random.Random) -> Part:
    return {"match": {"mutating": True, "nth": chance.randint(1, 70)}}


def _lost(chance: random.Random) -> Part:
    return {**_nth(chance), "drop": {"when": chance.choice(["before", "after"])}}


def _late(chance: random.Random) -> Part:
    return {**_nth(chance), "late": {"seconds": chance.choice([20, 60, 150, 300])}}


def _garbled(chance: random.Random) -> Part:
    return {**_nth(chance), "garble": {}}


def _stale(chance: random.Random) -> Part:
    seconds = chance.choice([1, 5, 15])
    return {"match": {"service": chance.choice(["autoscaling", "ec2"])}, "stale": {"seconds": seconds}}


def _unauthorised(chance: random.Random) -> Part:
    when = {"since": f"{chance.randint(0, 1500)}s", "lasts": f"{chance.choice([20, 60, 120])}s"}
    return {"match": {"service": "kube"}, **when, "error": {"status": 401, "code": "Unauthorized"}}

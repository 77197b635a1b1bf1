"""The policies of deploy/iam as records, and a small judge of them after IAM's own rules.

Source of the rules: IAM user guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators". Only
what the policies make use of is known; anything else fails loudly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parents[2] / "deploy" / "iam"
#: The key under which IAM knows where a request goes.
REGION = "aws:RequestedRegion"
#: What a user fills in, with a value as in the tests.
VALUES = {
    "ACCOUNT": "111111111111",
    "AMI_PARAMETERS": "eks/ami/*",
    "AMI_PREFIX": "eks-model",
    "BUILDER_ACCOUNT": "222222222222",
    "CALLER_ARN": "arn:aws:iam::333333333333:role/ci",
    "CLUSTER": "eks-demo",
    "EKS_ROLE": "eks-admin",
    "KMS_KEY": "00000000-0000-0000-0000-000000000000",
    "NODE_GROUPS": "eks_worker-*",
    "NODE_ROLE": "eks-nodes",
    "PACKER_PROFILE": "packer-eks-model",
    "PACKER_ROLE": "packer-eks-model",
    "REDEPLOY_ROLE": "redeploy",
    "REGION": "eu-west-1",
    "SECRET": "github-token",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; it allows. `conditions`: by operator and key, the values of which one must fit."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[tuple[str, str], tuple[str, ...]]

    def allows(self, action: str, resource: str, context: Mapping[str, str | Sequence[str]]) -> bool:
        """Tell whether it allows an action on one resource."""
        fits = any(fnmatchcase(resource, pattern) for pattern in self.resources)
        return action in self.actions and fits and all(self._holds(key, context) for key in self.conditions)

    def _holds(self, condition: tuple[str, str], context: Mapping[str, str | Sequence[str]]) -> bool:
        operator, key = condition
        given = context.get(key, ())
        return OPERATORS[operator]((given,) if isinstance(given, str) else given, self.conditions[condition])


def _one(fits: Callable[[str, str], bool]) -> Callable[[Sequence[str], Sequence[str]], bool]:
    """A key with one value, which must be given and fit one of those wanted."""
    return lambda given, wanted: any(fits(one, other) for one in given for other in wanted)


def _all(given: Sequence[str], wanted: Sequence[str]) -> bool:
    """Every value of a key with several is wanted."""
    return set(given) <= set(wanted)


OPERATORS: dict[str, Callable[[Sequence[str], Sequence[str]], bool]] = {
    "ArnEquals": _one(fnmatchcase),
    "ArnLike": _one(fnmatchcase),
    "Bool": _one(str.__eq__),
    "ForAllValues:StringEquals": _all,
    "StringEquals": _one(str.__eq__),
    "StringEqualsIgnoreCase": _one(lambda one, other: one.casefold() == other.casefold()),
    "StringLike": _one(fnmatchcase),
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of IAM: an action, and each resource that it touches with what is known of it."""

    action: str
    resources: Mapping[str, Mapping[str, str | Sequence[str]]]
    context: Mapping[str, str | Sequence[str]] = field(
        default_factory=lambda: {"aws:RequestedRegion": VALUES["REGION"]}
    )


def names() -> list[str]:
    """Every policy that is given to somebody, without those that say who may have it."""
    return sorted(file.stem for file in FOLDER.glob("*.json") if not file.stem.startswith("trust-"))


def text(name: str, values: Mapping[str, str] = VALUES) -> str:
    """A policy's text with its placeholders filled in, as envsubst and Terraform's templatefile do."""
    raw = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], raw)


def placeholders(name: str) -> set[str]:
    """The placeholders of a policy."""
    return set(re.findall(r"\$\{(\w+)\}", (FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def statements(name: str) -> list[Statement]:
    """The statements of a policy."""
    return [_statement(raw) for raw in json.loads(text(name))["Statement"]]


def _statement(raw: Mapping[str, Any]) -> Statement:
    conditions = {
        (operator, key): _several(values)
        for operator, keys in raw.get("Condition", {}).items()
        for key, values in keys.items()
    }
    return Statement(raw["Sid"], _several(raw["Action"]), _several(raw.get("Resource", ())), conditions)


def _several(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def actions(name: str) -> set[str]:
    """Every action that a policy grants on something."""
    return {action for statement in statements(name) for action in statement.actions}


def allowed(name: str, request: Request) -> bool:
    """Tell whether a policy allows an action on every resource that it touches."""
    return all(
        any(one.allows(request.action, resource, {**request.context, **known}) for one in statements(name))
        for resource, known in request.resources.items()
    )


def dependent() -> Iterator[dict[str, str]]:
    """The list of what is granted though no call of ours shows it."""
    yield from YAML(typ="safe").load(FOLDER / "dependent.yaml")

"""Effects on a launch template: a version made from another, the default moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rollout.model.effects.base import Base, Landed
from rollout.model.observation import Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVersion(Base):
    """Make a version of a template from `source_version` with the new AMI.

    `token`: ClientToken; `description` carries the rollout's id, by which the version is found again.
    """

    kind: Literal["create-version"] = "create-version"
    template_id: str
    source_version: int
    ami: str
    description: str
    token: str

    @property
    def target(self) -> str:
        return f"{self.template_id}/{self.source_version}"

    @property
    def writes(self) -> Mapping[str, object]:
        # With the same token EC2 makes nothing more; with another one there would be two.
        return {f"version of {self.template_id}: {self.description}": self.token}

    def landed(self, seen: Observation) -> Landed:
        return seen.template(self.template_id).described(self.description) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefaultVersion(Base):
    """Move a template's $Default to a version."""

    kind: Literal["set-default-version"] = "set-default-version"
    template_id: str
    before: int
    number: int

    @property
    def target(self) -> str:
        return self.template_id

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"$Default of {self.template_id}": self.number}

    def landed(self, seen: Observation) -> Landed:
        return seen.template(self.template_id).default == self.number

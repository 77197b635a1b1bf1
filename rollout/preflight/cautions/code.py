"""Infrastructure as code: who else writes to the groups and their launch templates, by their tags (docs/iac.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rollout.preflight.survey import Request, Survey
from rollout.scouted import GroupScouted


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that writes groups and templates as its code says. `by_itself`: whenever they differ, not when asked to.

    `prefixes`: how the keys of tags begin that it sets itself; `mention`: a word in the tags that people set for it.
    """

    name: str
    prefixes: tuple[str, ...] = ()
    mention: str = ""
    by_itself: bool = False

    def sign(self, tags: Mapping[str, str]) -> str:
        """Return the tag by which something is known to be written by it, "" if there is none."""
        said = ((key, value) for key, value in sorted(tags.items()) if self._names(key, value))
        return next((f"{key}={value}" if value else key for key, value in said), "")

    def _names(self, key: str, value: str) -> bool:
        return key.startswith(self.prefixes) or (self.mention != "" and self.mention in f"{key} {value}".lower())


#: CloudFormation, Cluster API and Crossplane tag what they write; of Terraform and its like only people tell.
TOOLS = (
    Tool("CloudFormation", prefixes=("aws:cloudformation:",)),
    Tool("Terraform", mention="terraform"),
    Tool("OpenTofu", mention="opentofu"),
    Tool("Pulumi", mention="pulumi"),
    Tool("Cluster API", prefixes=("sigs.k8s.io/cluster-api-provider-aws/",), by_itself=True),
    Tool("Crossplane", prefixes=("crossplane-",), by_itself=True),
)


def applied_by_people(found: Survey, request: Request) -> Iterator[str]:
    """Tags say that a group or its launch template is of CloudFormation, Terraform or the like: what an apply would do.

    Not during the rollout; and after it only with the new image in the code.
    """
    for what, tool in _of_tools(found):
        if not tool.by_itself:
            yield (
                f"{what}: apply nothing to it before the rollout is done, which would halt; the next apply after it "
                f"takes the image in the code, so write {request.ami} there first (docs/iac.md)"
            )


def applied_by_controllers(found: Survey, request: Request) -> Iterator[str]:
    """Tags say that a controller such as Cluster API or Crossplane writes a group: it undoes what a rollout does."""
    for what, tool in _of_tools(found):
        if tool.by_itself:
            yield (
                f"{what}, which puts sizes and template back whenever they differ, so that the rollout halts: pause it "
                f"until that is done, and give it {request.ami} before it goes on (docs/iac.md)"
            )


def _of_tools(found: Survey) -> Iterator[tuple[str, Tool]]:
    """Yield what is written by a tool, in words, with the tool."""
    for name, tags in _tagged(found):
        for tool in TOOLS:
            if sign := tool.sign(tags):
                yield f"{name} is {tool.name}'s (tag {sign})", tool


def _tagged(found: Survey) -> Iterator[tuple[str, Mapping[str, str]]]:
    groups: tuple[GroupScouted, ...] = found.ours()
    yield from ((group.name, group.tags) for group in groups)
    yield from ((f"launch template {template.name}", template.tags) for template in found.templates)

"""Infrastructure as code: what else writes to the groups and their launch templates, by their tags (docs/iac.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from rollout.preflight.survey import Request, Survey

#: What a tag says that denies what its key names.
_DENIALS = frozenset({"0", "false", "n", "no", "none", "off"})


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that writes groups and templates as its code says. `by_itself`: whenever they differ, not when asked to.

    `prefixes`: how the keys of tags begin that it sets itself, the most telling first; `mention`: a word in the tags
    that people set, on what it writes and elsewhere.
    """

    name: str
    prefixes: tuple[str, ...] = ()
    mention: str = ""
    by_itself: bool = False

    def sign(self, tags: Mapping[str, str]) -> str:
        """Return the tag that it set or that mentions it, "" if there is none."""
        return next((f"{key}={value}" if value else key for key, value in self._signs(tags)), "")

    def told(self, names: Sequence[str], sign: str) -> str:
        """Say what that tag of them shows: whose they are; or no more than that a person wrote a word."""
        if self.mention:
            return f"a tag of {' and '.join(names)} mentions {self.name} ({sign})"
        return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} {self.name}'s (tag {sign})"

    def _signs(self, tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        own = sorted(tags.items())
        yield from (one for prefix in self.prefixes for one in own if one[0].startswith(prefix))
        yield from (one for one in own if self.mention and self._mentions(*one))

    def _mentions(self, key: str, value: str) -> bool:
        return self.mention in f"{key} {value}".lower() and value.strip().lower() not in _DENIALS


#: CloudFormation, Cluster API and Crossplane tag what they write; of Terraform and its like only people tell.
TOOLS = (
    Tool("CloudFormation", prefixes=("aws:cloudformation:stack-name", "aws:cloudformation:")),
    Tool("Terraform", mention="terraform"),
    Tool("OpenTofu", mention="opentofu"),
    Tool("Pulumi", mention="pulumi"),
    Tool("Cluster API", prefixes=("sigs.k8s.io/cluster-api-provider-aws/",), by_itself=True),
    Tool("Crossplane", prefixes=("crossplane-",), by_itself=True),
)


def applied_by_people(found: Survey, request: Request) -> Iterator[str]:
    """Tags of a group or its template are CloudFormation's, or mention Terraform or a similar tool.

    The warning says what an apply would do. Do not apply during the rollout. After it, apply only with the new
    image in the code.
    """
    for told, known in _told(found, [tool for tool in TOOLS if not tool.by_itself]):
        condition = "" if known else "if that writes it, "
        yield (
            f"{told}: {condition}do not apply it before the rollout is done, or the rollout halts; the next apply "
            f"launches the image in the code, so write {request.ami} there first (docs/iac.md)"
        )


def applied_by_controllers(found: Survey, request: Request) -> Iterator[str]:
    """Tags say that a controller such as Cluster API or Crossplane writes a group.

    It would undo what a rollout does.
    """
    for told, _ in _told(found, [tool for tool in TOOLS if tool.by_itself]):
        yield (
            f"{told}, which puts sizes and template back, so that the rollout halts: pause it until the rollout is "
            f"done, and give it {request.ami} before you resume it (docs/iac.md)"
        )


def _told(found: Survey, tools: Sequence[Tool]) -> Iterator[tuple[str, bool]]:
    """Yield for each group with its templates what their tags tell, in words, and whether a tool says so itself."""
    for tagged in _tagged(found):
        signs: dict[tuple[Tool, str], list[str]] = {}
        for tool, (name, tags) in product(tools, tagged):
            if sign := tool.sign(tags):
                signs.setdefault((tool, sign), []).append(name)
        if signs:
            told = "; ".join(tool.told(names, sign) for (tool, sign), names in signs.items())
            yield told, any(not tool.mention for tool, _ in signs)


def _tagged(found: Survey) -> Iterator[list[tuple[str, Mapping[str, str]]]]:
    """Yield names and tags of each group and its templates; a template of several groups stands with the first."""
    left = {template.id: (f"launch template {template.name}", template.tags) for template in found.templates}
    for group in found.ours():
        used = dict.fromkeys(use.template_id for use in group.templates)
        yield [(group.name, group.tags), *(left.pop(one) for one in used if one in left)]
    yield from ([one] for one in left.values())

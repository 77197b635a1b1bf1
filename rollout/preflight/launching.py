"""What a group launches: the template versions that its references mean now, with their instance types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rollout.model.observation import TemplateSeen, VersionSeen
from rollout.model.plan import TemplateUse
from rollout.model.preflight_observation import GroupProbed


@dataclass(frozen=True, slots=True)
class Launch:
    """One kind of instance. `instance_type`: None where AWS chooses it by requirements."""

    template: TemplateSeen
    version: VersionSeen
    instance_type: str | None


def launches(group: GroupProbed, templates: Sequence[TemplateSeen]) -> Iterator[Launch]:
    """Yield what a group launches; a version that does not exist is left out."""
    for use, named in group.launched_uses():
        template = of(use, templates)
        version = template and version_of(use, template)
        if template and version:
            yield Launch(template, version, named or version.instance_type)


def of(use: TemplateUse, templates: Sequence[TemplateSeen]) -> TemplateSeen | None:
    """Return the template that is referred to, None if it does not exist."""
    return next((template for template in templates if template.id == use.template_id), None)


def version_of(use: TemplateUse, template: TemplateSeen) -> VersionSeen | None:
    """Return the version that a reference means now, None if it does not exist."""
    number = template.resolve(use.reference)
    return next((version for version in template.versions if version.number == number), None)

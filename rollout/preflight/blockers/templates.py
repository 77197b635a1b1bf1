"""The launch templates, and which other groups use them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from rollout.errors import Blocker
from rollout.model.plan import TemplateUse
from rollout.model.preflight_observation import GroupProbed
from rollout.preflight.launching import of, version_of
from rollout.preflight.survey import Request, Survey


def missing(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group refers to a launch template, or to a version of one, that does not exist."""
    seen = ((group.name, use) for group in found.groups for use in group.uses)
    for group, use in (*_uses(found.ours()), *seen):
        template = of(use, found.templates)
        if template is None or version_of(use, template) is None:
            what = f"{use.template_name} {use.reference}" if template else f"{use.template_name} ({use.template_id})"
            yield Blocker(
                f"{group} refers to launch template {what}, which does not exist", "let it refer to one that does"
            )


def several_versions(found: Survey, request: Request) -> Iterator[Blocker]:
    """The groups launch several versions of one template. Only one of them can be the source of the new version."""
    launched: defaultdict[str, set[tuple[int, str]]] = defaultdict(set)
    for group, use in _uses(found.ours()):
        if template := of(use, found.templates):
            launched[template.name].add((template.resolve(use.reference), group))
    for name, pairs in launched.items():
        if len({number for number, _ in pairs}) > 1:
            versions = ", ".join(f"{number} ({group})" for number, group in sorted(pairs))
            hint = "let all of them launch the same version, one of these"
            yield Blocker(f"the groups launch several versions of {name}: {versions}", hint)


def shared(found: Survey, request: Request) -> Iterator[Blocker]:
    """Other groups launch $Latest of our template, or its $Default where a rollout moves it.

    They would launch the new image, and nobody asked for that. The setting `share_templates` allows it.
    """
    if request.share_templates:
        return
    moving = _moving(found)
    others = [group for name, group in found.probed.items() if name not in request.groups]
    for group, use in _uses(others):
        if (use.template_id, use.reference) in moving:
            hint = f"add {group} to `groups`, give it a version number, or set `share_templates: true`"
            what = f"{use.reference} of {use.template_name}"
            yield Blocker(f"{group}, which is not to be replaced, launches {what}, which the rollout moves", hint)


def _moving(found: Survey) -> set[tuple[str, str]]:
    """Return what a rollout moves: $Latest of each template, $Default of those that a group of ours lives on."""
    uses = [use for _, use in _uses(found.ours())]
    latest = {(use.template_id, "$Latest") for use in uses}
    return latest | {(use.template_id, "$Default") for use in uses if use.reference == "$Default"}


def _uses(groups: Iterable[GroupProbed]) -> Iterator[tuple[str, TemplateUse]]:
    return ((group.name, use) for group in groups for use in group.templates)

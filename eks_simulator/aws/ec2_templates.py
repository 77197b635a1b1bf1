"""EC2: launch templates and their versions, shown and made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.aws.call import keep, page, tag_list
from eks_simulator.cloud.errors import AwsError
from eks_simulator.cloud.model import DEFAULT, LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.aws.call import Call, Fields
    from eks_simulator.cloud.model import Template


def describe_templates(call: Call) -> dict[str, Any]:
    """DescribeLaunchTemplates, by ids and names or all."""
    templates = call.cloud.templates
    named = [templates.find(one, None) for one in call.get("LaunchTemplateIds", ())]
    named += [templates.find(None, one) for one in call.get("LaunchTemplateNames", ())]
    fields: Fields[Template] = {"launch-template-name": lambda one: one.name}
    kept = keep(named or list(templates), call.get("Filters", ()), fields, lambda one: one.tags)
    shown, token = page(call, kept, "MaxResults", 200)
    return {"LaunchTemplates": [_template(call, one) for one in shown], "NextToken": token}


def _template(call: Call, template: Template) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "CreateTime": template.created,
        "CreatedBy": f"arn:aws:iam::{call.cloud.account}:root",
        "DefaultVersionNumber": template.default,
        "LatestVersionNumber": template.latest,
        "Tags": tag_list(template.tags),
    }


def describe_versions(call: Call) -> dict[str, Any]:
    """DescribeLaunchTemplateVersions, newest first; of one template, or $Latest and $Default of all."""
    one = _one_template(call)
    wanted = call.get("Versions", ())
    if one is None and (not wanted or not set(wanted) <= {LATEST, DEFAULT}):
        raise AwsError(
            "InvalidRequest",
            "To describe the launch template data for all your launch templates, for '--versions' specify '$Latest', "
            "'$Default', or both, and omit '--launch-template-id', '--launch-template-name', and version numbers.",
        )
    templates = call.cloud.templates if one is None else [one]
    found = [(template, number) for template in templates for number in _numbers(call, template)]
    fields: Fields[tuple[Template, int]] = {
        "image-id": lambda item: item[0].version(item[1]).image,
        "instance-type": lambda item: str(item[0].version(item[1]).data.get("InstanceType", "")),
        "is-default-version": lambda item: str(item[0].default == item[1]).lower(),
    }
    kept = keep(found, call.get("Filters", ()), fields, lambda _: {})
    shown, token = page(call, kept, "MaxResults", 200)
    return {"LaunchTemplateVersions": [_version(call, *item) for item in shown], "NextToken": token}


def _one_template(call: Call) -> Template | None:
    template_id, name = call.get("LaunchTemplateId"), call.get("LaunchTemplateName")
    return call.cloud.templates.find(template_id, name) if template_id or name else None


def _numbers(call: Call, template: Template) -> list[int]:
    """Return the version numbers that the request means, newest first, each once."""
    if wanted := call.get("Versions"):
        return sorted({call.cloud.templates.number(template, version) for version in wanted}, reverse=True)
    low, high = int(call.get("MinVersion", 1)), int(call.get("MaxVersion", template.latest))
    return [number for number in reversed(template.numbers) if low <= number <= high]


def _version(call: Call, template: Template, number: int) -> dict[str, Any]:
    version = template.version(number)
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "VersionNumber": number,
        "VersionDescription": version.description or None,
        "CreateTime": version.created or template.created,
        "CreatedBy": f"arn:aws:iam::{call.cloud.account}:root",
        "DefaultVersion": template.default == number,
        "LaunchTemplateData": dict(version.data),
    }


def create_version(call: Call) -> dict[str, Any]:
    """CreateLaunchTemplateVersion; an image that does not exist is only warned of, as in EC2."""
    templates = call.cloud.templates
    template = templates.find(call.get("LaunchTemplateId"), call.get("LaunchTemplateName"))
    number = templates.create_version(
        template,
        call["LaunchTemplateData"],
        call.get("SourceVersion"),
        call.get("VersionDescription", ""),
        call.get("ClientToken"),
    )
    return {"LaunchTemplateVersion": _version(call, template, number), "Warning": _warning(call, template, number)}


def _warning(call: Call, template: Template, number: int) -> dict[str, Any] | None:
    image = template.version(number).image
    if not image or image in call.cloud.images:
        return None
    return {"Errors": [{"Code": "InvalidAMIID.NotFound", "Message": f"The image id '[{image}]' does not exist"}]}


def modify_template(call: Call) -> dict[str, Any]:
    """ModifyLaunchTemplate: which version is the default."""
    template = call.cloud.templates.find(call.get("LaunchTemplateId"), call.get("LaunchTemplateName"))
    if "DefaultVersion" in call.params:
        call.cloud.templates.set_default(template, call["DefaultVersion"])
    return {"LaunchTemplate": _template(call, template)}


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "CreateLaunchTemplateVersion": create_version,
    "DescribeLaunchTemplateVersions": describe_versions,
    "DescribeLaunchTemplates": describe_templates,
    "ModifyLaunchTemplate": modify_template,
}

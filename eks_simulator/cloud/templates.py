"""Launch templates: found by id or name, versions resolved and made.

A request to make a version may carry a client token: the same token with the same parameters gives the same answer and
does nothing, with other parameters it is refused. Source: Amazon EC2 API, "Ensuring idempotency". How long EC2 keeps
tokens of this operation is not documented; here they are forgotten after an hour.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from eks_simulator.cloud.errors import AwsError
from eks_simulator.cloud.model import DEFAULT, LATEST, TemplateVersion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eks_simulator.clock import VirtualClock
    from eks_simulator.cloud.model import Reference, Template
    from eks_simulator.log import ChangeLog

#: Virtual seconds for which a client token is remembered.
TOKEN_LIFE = 3600.0


class Templates:
    """All launch templates of the account, in the order in which they were made."""

    def __init__(self, clock: VirtualClock, log: ChangeLog) -> None:
        self._clock = clock
        self._log = log
        self._all: dict[str, Template] = {}
        self._deleted: set[str] = set()
        self._tokens: dict[str, tuple[str, int]] = {}

    def __getitem__(self, template_id: str) -> Template:
        """Return the template of that id, though somebody may have deleted it; `KeyError` if there was none."""
        return self._all[template_id]

    def __iter__(self) -> Iterator[Template]:
        return (template for template in self._all.values() if template.id not in self._deleted)

    def add(self, template: Template) -> None:
        """Put a template into the account."""
        self._all[template.id] = template

    def find(self, template_id: str | None, name: str | None) -> Template:
        """Return the template meant by an id or a name, of which exactly one is given; `AwsError` as EC2 words it."""
        if template_id and name:
            raise AwsError(
                "InvalidParameterCombination",
                "The request must contain either the launch template ID or the launch template name, not both.",
            )
        if template_id:
            return self._by_id(template_id)
        if name:
            return self._by_name(name)
        raise AwsError("MissingParameter", "Either a launch template ID or a launch template name must be specified.")

    def _by_id(self, template_id: str) -> Template:
        if not template_id.startswith("lt-"):
            raise AwsError("InvalidLaunchTemplateId.Malformed", f'Invalid id: "{template_id}" (expecting "lt-...")')
        if template_id not in self._all or template_id in self._deleted:
            raise AwsError(
                "InvalidLaunchTemplateId.NotFound",
                f"The specified launch template, with template ID {template_id}, does not exist.",
            )
        return self._all[template_id]

    def _by_name(self, name: str) -> Template:
        for template in self:
            if template.name == name:
                return template
        raise AwsError(
            "InvalidLaunchTemplateName.NotFoundException",
            f"The specified launch template, with template name {name}, does not exist.",
        )

    def number(self, template: Template, version: str) -> int:
        """Return the number that "$Latest", "$Default" or a number as text means now; `AwsError` if there is none."""
        self._by_id(template.id)
        if version == LATEST:
            return template.latest
        if version == DEFAULT:
            return template.default
        if version.isdecimal() and int(version) in template.numbers:
            return int(version)
        raise AwsError(
            "InvalidLaunchTemplateId.VersionNotFound",
            f"Could not find the specified version {version} for the launch template with ID {template.id}.",
        )

    def resolve(self, reference: Reference) -> int:
        """Return the version that a group launches now."""
        return self.number(self[reference.template], reference.version)

    def create_version(
        self, template: Template, data: Mapping[str, Any], source: str | None, description: str, token: str | None
    ) -> int:
        """Make a version and return its number: the source's fields, overridden by those in `data`.

        Raises `AwsError`: no such source; IdempotentParameterMismatch for a token that was used for something else.
        """
        fingerprint = json.dumps([template.id, data, source, description], sort_keys=True, default=str)
        if token and token in self._tokens:
            return self._answer_again(token, fingerprint)
        origin = self.number(template, source) if source else None
        inherited = _inherited(template.version(origin).data) if origin else {}
        version = TemplateVersion({**inherited, **data}, description, origin, self._clock.now)
        template.versions.append(version)
        number = len(template.versions)
        self._log.applied(f"template/{template.id}", f"versions.{number}", None, _as_logged(version))
        if token:
            self._tokens[token] = (fingerprint, number)
            self._clock.after(TOKEN_LIFE, lambda: self._forget(token))
        return number

    def _answer_again(self, token: str, fingerprint: str) -> int:
        known, number = self._tokens[token]
        if known != fingerprint:
            raise AwsError(
                "IdempotentParameterMismatch",
                f"Client token {token} has been used before with different parameters, which is not allowed.",
            )
        return number

    def _forget(self, token: str) -> None:
        del self._tokens[token]

    def delete_version(self, template: Template, version: str) -> None:
        """Delete a version; `AwsError` for the default one, which EC2 keeps, and for one that is not there."""
        number = self.number(template, version)
        if number == template.default:
            raise AwsError("InvalidParameterValue", f"Version {number} is the default version and cannot be deleted.")
        template.deleted.add(number)
        self._log.applied(f"template/{template.id}", f"versions.{number}", _as_logged(template.version(number)), None)

    def delete(self, template: Template) -> None:
        """Delete a template with all its versions. Groups go on naming it, and can launch nothing."""
        self._deleted.add(template.id)
        self._log.applied(f"template/{template.id}", "exists", before=True, after=False)

    def set_default(self, template: Template, version: str) -> None:
        """Make another version the default; `AwsError` if there is none such."""
        before, template.default = template.default, self.number(template, version)
        self._log.applied(f"template/{template.id}", "DefaultVersionNumber", before, template.default)


def _as_logged(version: TemplateVersion) -> dict[str, Any]:
    return {"ImageId": version.image, "SourceVersion": version.source, "VersionDescription": version.description}


def _inherited(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a new version takes over: all but the snapshots of block devices (CreateLaunchTemplateVersion)."""
    inherited = dict(data)
    if "BlockDeviceMappings" in inherited:
        inherited["BlockDeviceMappings"] = [_without_snapshot(device) for device in data["BlockDeviceMappings"]]
    return inherited


def _without_snapshot(device: Mapping[str, Any]) -> dict[str, Any]:
    if "Ebs" not in device:
        return dict(device)
    return {**device, "Ebs": {key: value for key, value in device["Ebs"].items() if key != "SnapshotId"}}

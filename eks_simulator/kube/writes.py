"""What clients do to objects: create, update, patch, scale, evict, delete; checked as the API server checks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from eks_simulator.kube import errors as kube_errors
from eks_simulator.kube import rules as kube_rules
from eks_simulator.kube.eviction import DeleteOptions, evict
from eks_simulator.kube.jsons import copied, dumped
from eks_simulator.kube.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, apply_patch
from eks_simulator.kube.resources import RESOURCES
from eks_simulator.kube.rules import without_nulls
from eks_simulator.kube.shapes import DELETE_OPTIONS, EVICTION, OBJECT, REVIEW, check_types
from eks_simulator.kube.validation import check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_simulator.kube.paths import Location
    from eks_simulator.kube.resources import Resource
    from eks_simulator.kube.store import Revision, Store

Object = dict[str, Any]

PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
_POLICIES = ("Foreground", "Background", "Orphan")


class Reply(NamedTuple):
    """What is answered: HTTP status and JSON."""

    code: int
    body: bytes


class Writes:
    """The mutating half of the API; bodies may be of any shape, those that make no sense are refused.

    `allows` answers access reviews; it does not refuse the access itself.
    """

    def __init__(self, store: Store, allows: Callable[[Object], bool]) -> None:
        self._store = store
        self._allows = allows

    def create(self, location: Location, body: Object) -> Reply:
        """POST to a collection, or to an object's eviction."""
        resource = location.resource
        if location.subresource == "eviction":
            return self._evict(location, body)
        if resource.plural == "selfsubjectaccessreviews":
            return self._review(resource, body)
        check_types(body, OBJECT)
        _check_kind(body, resource.kind, resource.group_version)
        new = kube_rules.admitted(resource, without_nulls(body))
        if resource.namespaced:
            self._enter_namespace(location, new["metadata"])
        check(resource, new, None)
        return Reply(201, self._present(resource, self._store.create(resource.plural, new)))

    def _enter_namespace(self, location: Location, meta: Object) -> None:
        if location.namespace is None:
            raise kube_errors.method_not_allowed()
        if meta.setdefault("namespace", location.namespace) != location.namespace:
            raise kube_errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        if self._store.get("namespaces", None, location.namespace) is None:
            raise kube_errors.not_found(RESOURCES["namespaces"], location.namespace)

    def _review(self, resource: Resource, body: Object) -> Reply:
        check_types(body, REVIEW)
        _check_kind(body, resource.kind, resource.group_version)
        spec = body.get("spec") or {}
        review = {
            "kind": resource.kind,
            "apiVersion": resource.group_version,
            "metadata": {"creationTimestamp": None},
            "spec": spec,
            "status": {
                "allowed": self._allows(spec.get("resourceAttributes") or spec.get("nonResourceAttributes") or {})
            },
        }
        return Reply(201, dumped(review))

    def _evict(self, location: Location, body: Object) -> Reply:
        check_types(body, EVICTION)
        _check_kind(body, "Eviction", "policy/v1")
        if (body.get("metadata") or {}).get("name") != location.name:
            raise kube_errors.bad_request("name in URL does not match name in Eviction object")
        options = _delete_options(body.get("deleteOptions") or {}, {})
        evict(self._store, location.namespace or "", location.name, options)
        return Reply(201, dumped(_SUCCESS | {"code": 201}))

    def update(self, location: Location, body: Object, stripped: str = "") -> Reply:
        """PUT to an object, its status or its scale; `stripped`: the field that a webhook leaves as it was."""
        check_types(body, OBJECT)
        resource, meta = location.resource, body.get("metadata") or {}
        if location.subresource == "scale":
            return self._scale(location, self._existing(location), body)
        _check_kind(body, resource.kind, resource.group_version)
        _check_name(location, meta.get("name"))
        if resource.put_creates and self._revision(location) is None:
            return self.create(location, body)
        before = self._existing(location)
        uid, found = meta.get("uid"), before.object["metadata"]["uid"]
        if uid and uid != found:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
            raise kube_errors.conflict(resource, location.name, why)
        if resource.needs_version and not meta.get("resourceVersion"):
            cause = kube_errors.Cause(
                "metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0x0: must be specified for an update"
            )
            # The plural where the kind belongs: so does the real server.
            raise kube_errors.invalid_kind(resource.plural, resource.group, location.name, [cause])
        return self._write(location, before, _as_it_was(without_nulls(body), before.object, stripped))

    def patch(self, location: Location, content_type: str, body: Any, stripped: str = "") -> Reply:
        """PATCH of an object, its status or its scale; `stripped` as in `update`."""
        if content_type not in PATCHES:
            raise kube_errors.unsupported_media_type(PATCHES)
        before = self._existing(location)
        target = _scale_of(before) if location.subresource == "scale" else before.object
        new = apply_patch(content_type, target, body)
        check_types(new, OBJECT)
        if location.subresource == "scale":
            return self._scale(location, before, new)
        meta = new.get("metadata") or {}
        _check_name(location, meta.get("name"))
        for field in ("namespace", "uid"):
            if (value := meta.get(field)) != before.object["metadata"].get(field):
                cause = kube_errors.wrong(f"metadata.{field}", value, "field is immutable")
                raise kube_errors.invalid(location.resource, location.name, [cause])
        new = _as_it_was(without_nulls(new), before.object, stripped)
        return self._write(location, before, new, patched=True)

    def _write(self, location: Location, before: Revision, new: Object, *, patched: bool = False) -> Reply:
        resource = location.resource
        _check_version(resource, before, new)
        after = kube_rules.carried_over(resource, location.subresource, before.object, new)
        check(resource, after, before.object, patched=patched)
        obj = self._store.replace(resource.plural, location.namespace, location.name, copied(after))
        return Reply(200, self._present(resource, obj))

    def _scale(self, location: Location, before: Revision, scale: Object) -> Reply:
        _check_kind(scale, "Scale", "autoscaling/v1")
        _check_version(location.resource, before, scale)
        after = copied(before.object)
        after["spec"]["replicas"] = replicas = (scale.get("spec") or {}).get("replicas") or 0
        if replicas < 0:
            cause = kube_errors.wrong("spec.replicas", replicas, "must be greater than or equal to 0")
            raise kube_errors.invalid_kind("Scale", "autoscaling", location.name, [cause])
        self._store.replace(location.resource.plural, location.namespace, location.name, after)
        return self.scale(location)

    def scale(self, location: Location) -> Reply:
        """Return the object's scale."""
        return Reply(200, dumped(_scale_of(self._existing(location))))

    def delete(self, location: Location, body: Object, query: Mapping[str, str]) -> Reply:
        """DELETE of an object, with the options of the body or, if there are none, of the query."""
        check_types(body, DELETE_OPTIONS)
        options = _delete_options(body, query)
        resource = location.resource
        obj = self._store.delete(resource.plural, location.namespace, location.name, **options._asdict())
        if resource.plural == "pods" or obj["metadata"].get("finalizers"):
            return Reply(200, self._present(resource, obj))
        details = resource.details(location.name) | {"uid": obj["metadata"]["uid"]}
        return Reply(200, dumped(_SUCCESS | {"details": details}))

    def _revision(self, location: Location) -> Revision | None:
        return self._store.revision(location.resource.plural, location.namespace, location.name)

    def _existing(self, location: Location) -> Revision:
        revision = self._revision(location)
        if revision is None:
            raise kube_errors.not_found(location.resource, location.name, location.subresource)
        return revision

    def _present(self, resource: Resource, obj: Object) -> bytes:
        """Return the object as answered; with the JSON that the store has made, if it is its present state."""
        meta = obj["metadata"]
        revision = self._store.revision(resource.plural, meta.get("namespace"), meta["name"])
        if revision is not None and revision.object is obj:
            return revision.whole
        return dumped({"kind": resource.kind, "apiVersion": resource.group_version} | obj)


def _as_it_was(new: Object, before: Object, field: str) -> Object:
    """Return the object with this field, a path, as it was before; with none all of it is new."""
    name, _, rest = field.partition(".")
    if not name or (name not in new and name not in before):
        return new
    if rest:
        return new | {name: _as_it_was(new.get(name) or {}, before.get(name) or {}, rest)}
    kept = {name: before[name]} if name in before else {}
    return {key: value for key, value in new.items() if key != name} | kept


def _check_kind(body: Object, kind: str, group_version: str) -> None:
    found = (body.get("kind") or kind, body.get("apiVersion") or group_version)
    if found != (kind, group_version):
        raise kube_errors.bad_request(
            f'{found[0]} in version "{found[1]}" cannot be handled as a {kind}: expected {group_version} {kind}'
        )


def _check_name(location: Location, name: str | None) -> None:
    if not name:
        text = f"the name of the object ({location.name} based on URL) was undeterminable: name must be provided"
        raise kube_errors.bad_request(text)
    if name != location.name:
        text = f"the name of the object ({name}) does not match the name on the URL ({location.name})"
        raise kube_errors.bad_request(text)


def _check_version(resource: Resource, before: Revision, new: Object) -> None:
    wanted = (new.get("metadata") or {}).get("resourceVersion")
    if wanted and wanted != str(before.version):
        raise kube_errors.conflict(resource, before.key[1])


def _scale_of(revision: Revision) -> Object:
    obj, meta = revision.object, revision.object["metadata"]
    replicas = obj["spec"].get("replicas", 1)
    selector = ((obj["spec"].get("selector") or {}).get("matchLabels") or {}).items()
    fields = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: meta[field] for field in fields},
        # Go leaves out a zero here, so a scale of nothing has an empty spec.
        "spec": {"replicas": replicas} if replicas else {},
        "status": {
            "replicas": (obj.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(selector)),
        },
    }


def _delete_options(body: Object, query: Mapping[str, str]) -> DeleteOptions:
    if body.get("dryRun"):
        raise kube_errors.bad_request("dryRun is not simulated: leave it out, or ask a real cluster")
    wanted = body or query
    policy = wanted.get("propagationPolicy")
    if policy is not None and policy not in _POLICIES:
        cause = kube_errors.unsupported("propagationPolicy", policy, (*_POLICIES, "nil"))
        raise kube_errors.invalid_kind("DeleteOptions", "meta.k8s.io", "", [cause])
    preconditions = body.get("preconditions") or {}
    return DeleteOptions(
        grace=_seconds(wanted.get("gracePeriodSeconds")),
        propagation=policy,
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
    )


def _seconds(value: int | str | None) -> int | None:
    """Return a grace period, of the body or, as text, of the query."""
    try:
        return None if value is None else int(value)
    except ValueError as error:
        raise kube_errors.bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax') from error

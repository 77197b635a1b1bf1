"""The simulated AWS endpoint: all services on one address.

The service is taken from the credential scope of the request's signature (which is not verified), else from the API
version of its form or from its path. What is not simulated answers NotImplemented (501) and says what is.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from aiohttp import web
from botocore.loaders import Loader
from botocore.model import ServiceModel

from eks_simulator.aws import autoscaling as aws_autoscaling
from eks_simulator.aws import autoscaling_lives as aws_autoscaling_lives
from eks_simulator.aws import ec2_images as aws_ec2_images
from eks_simulator.aws import ec2_instances as aws_ec2_instances
from eks_simulator.aws import ec2_subnets as aws_ec2_subnets
from eks_simulator.aws import ec2_templates as aws_ec2_templates
from eks_simulator.aws import eks as aws_eks
from eks_simulator.aws import kms as aws_kms
from eks_simulator.aws import service_quotas as aws_service_quotas
from eks_simulator.aws import sts as aws_sts
from eks_simulator.aws.call import Call
from eks_simulator.aws.protocol import WIRES, Message
from eks_simulator.aws.sts import Roles
from eks_simulator.cloud.errors import AwsError
from eks_simulator.faults import RequestInfo
from eks_simulator.requests import AGE
from eks_simulator.seeded import uid

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler as WebHandler
    from aiohttp.typedefs import Middleware

    from eks_simulator.aws.protocol import Wire
    from eks_simulator.cloud.cloud import Cloud

Handler = Callable[[Call], Mapping[str, Any]]
Describe = Callable[[web.Request], RequestInfo | None]
RenderError = Callable[[RequestInfo, int, str, str], web.Response]

OPERATIONS: Final[dict[str, Mapping[str, Handler]]] = {
    "autoscaling": {**aws_autoscaling.OPERATIONS, **aws_autoscaling_lives.OPERATIONS},
    "ec2": {
        **aws_ec2_images.OPERATIONS,
        **aws_ec2_instances.OPERATIONS,
        **aws_ec2_subnets.OPERATIONS,
        **aws_ec2_templates.OPERATIONS,
    },
    "eks": aws_eks.OPERATIONS,
    "kms": aws_kms.OPERATIONS,
    "servicequotas": aws_service_quotas.OPERATIONS,
    "sts": aws_sts.OPERATIONS,
}

#: Where botocore keeps a service's model, where it is not named as in a signature.
FOLDERS: Final = {"servicequotas": "service-quotas"}

#: The parameters that can name what a request is about, the first one given counts.
TARGETS: Final = (
    "AutoScalingGroupName",
    "AutoScalingGroupNames.member.1",
    "InstanceId",
    "LaunchTemplateId",
    "LaunchTemplateName",
    "InstanceId.1",
    "ImageId.1",
    "ImageId",
    "SnapshotId",
    "KeyId",
    "SubnetId.1",
    "RoleArn",
    "Tags.member.1.ResourceId",
)

_SCOPE = re.compile(r"([^/=\s]+)/\d+/[\w-]+/([\w-]+)/aws4_request")
_READS = re.compile(r"Describe|List|Get|Assume")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, recognised. `service` may be one that is not simulated, `operation` one that does not exist.

    `wire` is the protocol to answer in: the service's own, or one that its clients can read too.
    """

    service: str
    operation: str
    access_key: str
    message: Message
    wire: Wire

    @property
    def info(self) -> RequestInfo:
        """The request as faults and costs see it; only its names count, not whether it makes sense.

        What is only tried out is an operation of its own: faults that are meant for a change strike the change.
        """
        target = next((self.message.form[name] for name in TARGETS if name in self.message.form), "")
        if self.service == "eks":
            target = self.message.path.split("/")[2] if self.message.path.count("/") > 1 else ""
        if self.message.form.get("DryRun", "").lower() == "true":
            return RequestInfo(self.service, f"{self.operation} DryRun", mutating=False, target=target)
        return RequestInfo(self.service, self.operation, not _READS.match(self.operation), target)


ASKED: Final = web.RequestKey("asked", Asked)


class Endpoint:
    """Recognises requests, has them carried out on the cloud and answers in their service's protocol."""

    def __init__(self, cloud: Cloud, roles: Roles, past: Callable[[float], Cloud] | None = None) -> None:
        self._cloud = cloud
        self._roles = roles
        self._past = past or (lambda _age: cloud)
        self._answers = itertools.count(1)
        self._models = {name: _model(name) for name in OPERATIONS}
        self._wires: dict[str, Wire] = {
            name: WIRES[model.metadata["protocol"]](model) for name, model in self._models.items()
        }
        self._by_version = {model.api_version: name for name, model in self._models.items()}

    @web.middleware
    async def recognise(self, request: web.Request, handler: WebHandler) -> web.StreamResponse:
        """Outermost middleware: leaves what is asked in `request[ASKED]` for those further in."""
        request[ASKED] = self._asked(request, _message(request, await request.read()))
        return await handler(request)

    def _asked(self, request: web.Request, message: Message) -> Asked:
        signed = request.headers.get("Authorization", "") or message.form.get("X-Amz-Credential", "")
        scope, target = _SCOPE.search(signed), request.headers.get("X-Amz-Target", "")
        service = scope[2] if scope else self._guess(message)
        wire = self._wires.get(service) or self._wires["eks" if target else "sts"]
        operation = target.rpartition(".")[2] or wire.operation(message)
        return Asked(service, operation, scope[1] if scope else "", message, wire)

    def _guess(self, message: Message) -> str:
        return "eks" if message.path.startswith("/clusters") else self._by_version.get(message.form.get("Version"), "")

    def describe(self, request: web.Request) -> RequestInfo | None:
        """Return what the request is about; None for what is not simulated."""
        asked = request[ASKED]
        return asked.info if asked.operation in OPERATIONS.get(asked.service, ()) else None

    def render_error(self, info: RequestInfo, status: int, code: str, message: str) -> web.Response:
        """An error as the service of that request would word it."""
        return self._wires[info.service].refusal(AwsError(code, message, status), self._request_id())

    async def handle(self, request: web.Request) -> web.Response:
        """Carry it out and answer."""
        asked = request[ASKED]
        request_id = self._request_id()
        cloud = self._past(request[AGE]) if AGE in request else self._cloud
        try:
            return self._carry_out(cloud, asked, request_id)
        except AwsError as refused:
            return asked.wire.refusal(refused, request_id)

    def _carry_out(self, cloud: Cloud, asked: Asked, request_id: str) -> web.Response:
        caller = self._roles.who(asked.access_key)
        handler = _handler(asked)
        model = self._models[asked.service].operation_model(asked.operation)
        params = asked.wire.parameters(model, asked.message)
        if params.pop("DryRun", False):
            raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        return asked.wire.reply(model, handler(Call(cloud, self._roles, caller, params)), request_id)

    def _request_id(self) -> str:
        return uid(self._cloud.seed, "aws-request", next(self._answers))


def load_models() -> None:
    """Load what all endpoints share, which takes a quarter of a second; otherwise the first endpoint does."""
    for service in OPERATIONS:
        _model(service)


@functools.cache
def _model(service: str) -> ServiceModel:
    """Botocore's model of a service; EC2's alone takes a good part of a second to load."""
    return ServiceModel(Loader().load_service_model(FOLDERS.get(service, service), "service-2"), service)


def _message(request: web.Request, body: bytes) -> Message:
    form = dict(parse_qsl(request.query_string, keep_blank_values=True))
    text = body.decode("utf-8", "replace")
    if "json" not in request.content_type:
        form |= parse_qsl(text, keep_blank_values=True)
    return Message(request.method, request.rel_url.raw_path, form, text)


def _handler(asked: Asked) -> Handler:
    known = OPERATIONS.get(asked.service)
    if known is None:
        services = ", ".join(sorted(OPERATIONS))
        name = asked.service or "a service that cannot be recognised"
        raise AwsError(
            "NotImplemented", f"The simulator does not know {name} ({asked.operation}); it knows {services}.", 501
        )
    if asked.operation not in known:
        name = asked.operation or f"{asked.message.method} {asked.message.path}"
        listed = ", ".join(sorted(known))
        raise AwsError(
            "NotImplemented", f"The simulator does not know {name} of {asked.service}; it knows {listed}.", 501
        )
    return known[asked.operation]


def aws_app(
    cloud: Cloud,
    middleware: Callable[[Describe, RenderError], Middleware] | None = None,
    roles: Roles | None = None,
    past: Callable[[float], Cloud] | None = None,
) -> web.Application:
    """Return the application of the AWS listener.

    `middleware` makes the middleware that numbers, counts, costs and faults requests (`Requests.middleware`).
    `past` gives the account as it was so many seconds ago (`Past.seen`; default: as it is).
    """
    endpoint = Endpoint(cloud, roles or Roles(cloud.account, cloud.seed), past)
    inner = [middleware(endpoint.describe, endpoint.render_error)] if middleware else []
    app = web.Application(middlewares=[endpoint.recognise, *inner])
    app.router.add_route("*", "/{path:.*}", endpoint.handle)
    return app

"""The whole simulator: three listeners over one world, reached as its users reach it."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import ServiceId
from botocore.parsers import ResponseParserError
from botocore.signers import RequestSigner

from eks_simulator import scenario
from eks_simulator.handout import TOKEN
from eks_simulator.server import Simulator
from rollout import config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from eks_simulator.handout import Endpoints


class Served:
    """A simulator on an event loop in a thread of its own."""

    def __init__(self, simulator: Simulator, endpoints: Endpoints) -> None:
        self.simulator = simulator
        self.endpoints = endpoints

    def boto3(self, service: str, client: str = "tester", **settings: Any) -> Any:
        """A client that sends each request once."""
        return boto3.client(
            service,
            endpoint_url=self.endpoints.aws,
            region_name=self.endpoints.region,
            aws_access_key_id="simulator",
            aws_secret_access_key="simulator",  # noqa: S106 - no secret: nothing checks it
            config=BotoConfig(
                user_agent_extra=f"eks-rollout-run/{client}", retries={"total_max_attempts": 1}, **settings
            ),
        )

    def control(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of one request to the control listener."""
        return self._ask(self.endpoints.control, method, path, body, {})

    def kube(self, method: str, path: str, body: object = None, client: str = "tester") -> Any:
        """The JSON of one request to the Kubernetes listener."""
        headers = agent(client) | {"Content-Type": "application/merge-patch+json"}
        return self._ask(self.endpoints.kubernetes, method, path, body, headers)

    @staticmethod
    def _ask(url: str, method: str, path: str, body: object, headers: dict[str, str]) -> Any:
        with connected(url) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            return json.loads(connection.getresponse().read())

    @contextmanager
    def session(self, client: str = "tester") -> Iterator[None]:
        """Be registered inside the block."""
        with connected(self.endpoints.control) as connection:
            connection.request("GET", f"/session?client={client}")
            connection.getresponse().readline()
            yield

    def sleep(self, seconds: float, client: str = "tester") -> Any:
        """Sleep so many virtual seconds."""
        now = self.control("GET", "/time")["now"]
        return self.control("POST", "/sleep", {"client": client, "until": now + seconds})


def agent(client: str, token: str = TOKEN) -> dict[str, str]:
    """The headers of a client of the Kubernetes listener."""
    return {"User-Agent": f"eks-rollout-run/{client}", "Authorization": f"Bearer {token}"}


@contextmanager
def connected(url: str, timeout: float = 10) -> Iterator[http.client.HTTPConnection]:
    """A connection that is closed at the end of the block."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def served(name: str, directory: Path) -> Iterator[Served]:
    """Run a scenario's simulator inside the block."""
    started: list[tuple[asyncio.AbstractEventLoop, Served]] = []
    up = threading.Event()

    async def run() -> None:
        simulator = Simulator(scenario.load(name))
        async with simulator.running(directory) as endpoints:
            started.append((asyncio.get_running_loop(), Served(simulator, endpoints)))
            up.set()
            await simulator.stopping.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert up.wait(60)
    loop, running = started[0]
    try:
        yield running
    finally:
        loop.call_soon_threadsafe(running.simulator.stopping.set)
        thread.join(60)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Served]:
    """The plain scenario, running."""
    with served("plain", tmp_path) as running:
        yield running


def test_the_handed_out_configuration_is_one_that_the_tool_accepts(plain: Served) -> None:
    """What the simulator writes loads without a complaint, and means this simulator."""
    loaded = config.load(plain.endpoints.configuration)
    assert (loaded.simulator, loaded.access.endpoint_url) == (plain.endpoints.control, plain.endpoints.aws)
    assert loaded.groups == tuple(group.name for group in plain.simulator.scenario.groups)


def test_files_lie_there_while_it_runs(tmp_path: Path) -> None:
    """The kubeconfig is its owner's alone; endpoints.json is there exactly as long as the simulator."""
    with served("plain", tmp_path) as running:
        announced = json.loads((tmp_path / "endpoints.json").read_text())
        assert announced == running.endpoints.as_json()
        assert stat.S_IMODE(running.endpoints.kubeconfig.stat().st_mode) == 0o600
    assert not (tmp_path / "endpoints.json").exists()


def test_boto3_changes_the_world_under_its_own_name(plain: Served) -> None:
    """A client's change is in the log as its own; what follows from it is the world's."""
    autoscaling = plain.boto3("autoscaling")
    group = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    autoscaling.update_auto_scaling_group(
        AutoScalingGroupName=group["AutoScalingGroupName"], DesiredCapacity=group["DesiredCapacity"] + 1
    )
    with plain.session():
        plain.sleep(600)
    name = f"asg/{group['AutoScalingGroupName']}"
    mine = plain.control("GET", "/log?actor=client:tester")
    assert [(change["verb"], change["object"], change["field"]) for change in mine] == [
        ("UpdateAutoScalingGroup", name, "DesiredCapacity")
    ]
    nodes = [change for change in plain.control("GET", "/log?actor=world") if change["object"].startswith("node/")]
    assert any(change["field"] == "exists" and change["request"] == 0 for change in nodes)


def test_requests_of_both_halves_are_counted_and_cost_time(plain: Served) -> None:
    """Reads and writes of AWS and Kubernetes stand under the client's id; the clock has moved."""
    before = plain.control("GET", "/time")["now"]
    plain.boto3("autoscaling").describe_auto_scaling_groups()
    node = plain.kube("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    plain.kube("PATCH", f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
    counted = plain.control("GET", "/requests")["tester"]
    assert (counted["reads"], counted["writes"]) == (2, 1)
    assert 0 < plain.control("GET", "/time")["now"] - before <= 9


def test_faults_reach_both_halves_in_their_own_words(plain: Served) -> None:
    """An error comes as an AWS error on one listener and as a Status on the other."""
    for service in ("autoscaling", "kube"):
        error = {"status": 503, "code": "ServiceUnavailable", "message": "not now"}
        plain.control("POST", "/faults", {"match": {"service": service}, "error": error})
    autoscaling = plain.boto3("autoscaling")
    with pytest.raises(autoscaling.exceptions.ClientError, match=r"ServiceUnavailable.*not now"):
        autoscaling.describe_auto_scaling_groups()
    status = plain.kube("GET", "/api/v1/nodes")
    assert (status["kind"], status["code"], status["message"]) == ("Status", 503, "not now")


def test_stale_reads_show_the_account_as_it_was(plain: Served) -> None:
    """Until so many seconds after a change AWS shows what was before; Kubernetes and what is decided are up to date."""
    autoscaling, ec2 = plain.boto3("autoscaling"), plain.boto3("ec2")

    def seen() -> tuple[int, int, int]:
        group = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=["eks_worker-demo"])[
            "AutoScalingGroups"
        ][0]
        versions = ec2.describe_launch_template_versions(LaunchTemplateName="eks_worker_lt-demo")[
            "LaunchTemplateVersions"
        ]
        return group["MaxSize"], len(group["Instances"]), len(versions)

    for service in ("autoscaling", "ec2"):
        plain.control("POST", "/faults", {"match": {"service": service}, "stale": {"seconds": 60}})
    autoscaling.update_auto_scaling_group(AutoScalingGroupName="eks_worker-demo", MaxSize=9, DesiredCapacity=3)
    ec2.create_launch_template_version(
        LaunchTemplateName="eks_worker_lt-demo", SourceVersion="1", LaunchTemplateData={"EbsOptimized": True}
    )
    with plain.session():
        assert seen() == (4, 2, 1)
        plain.sleep(30)
        assert seen() == (4, 2, 1)
        plain.sleep(60)
        assert seen() == (9, 3, 2)


WRONG: dict[str, tuple[dict[str, Any], bool]] = {
    "throttled": ({"error": {"status": 429, "code": "Throttling"}}, False),
    "500, not applied": ({"error": {"status": 500, "code": "InternalFailure"}}, False),
    "500, applied": ({"error": {"status": 500, "code": "InternalFailure", "applied": True}}, True),
    "timeout, not applied": ({"hang": {"when": "before"}}, False),
    "timeout, applied": ({"hang": {"when": "after"}}, True),
    "reset, not applied": ({"drop": {"when": "before"}}, False),
    "reset, applied": ({"drop": {"when": "after"}}, True),
    "unparsable": ({"garble": {}}, True),
    "expired": ({"lasts": "5m", "error": {"status": 403, "code": "ExpiredToken"}}, False),
}


def raise_maximum(plain: Served) -> None:
    """Change a group, without waiting long for the answer."""
    plain.boto3("autoscaling", read_timeout=1).update_auto_scaling_group(
        AutoScalingGroupName="eks_worker-demo", MaxSize=9
    )


def suspend_job(plain: Served) -> None:
    """Change a Job, without waiting long for the answer."""
    with connected(plain.endpoints.kubernetes, timeout=1) as connection:
        path = "/apis/batch/v1/namespaces/demo/jobs/algopipeline-long-0"
        headers = agent("tester") | {"Content-Type": "application/merge-patch+json"}
        connection.request("PATCH", path, json.dumps({"spec": {"suspend": True}}), headers)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["kind"]) == (200, "Job")


@pytest.mark.parametrize("change", [raise_maximum, suspend_job])
@pytest.mark.parametrize("wrong", WRONG)
def test_every_fault_strikes_both_halves_alike(wrong: str, change: Callable[[Served], None], plain: Served) -> None:
    """To its client a request has failed, and it is applied if and only if the fault says so.

    A timeout is a request that hangs, and a client that does not wait for long.
    """
    fault, applied = WRONG[wrong]
    plain.control("POST", "/faults", {"match": {"client": "tester"}} | fault)
    with pytest.raises((BotoCoreError, ClientError, ResponseParserError, OSError, ValueError, AssertionError)):
        change(plain)
    assert bool(plain.control("GET", "/log?actor=client:tester")) == applied


def test_a_watch_is_bookmarked_before_the_clock_answers(plain: Served) -> None:
    """A sleep ends at an event on the client's own watch, which has then seen all up to the answer's version."""
    with plain.session(), connected(plain.endpoints.kubernetes) as stream:
        listed = plain.kube("GET", "/api/v1/nodes")
        version = listed["metadata"]["resourceVersion"]
        query = f"watch=true&allowWatchBookmarks=true&resourceVersion={version}"
        stream.request("GET", f"/api/v1/nodes?{query}", headers=agent("tester"))
        events = stream.getresponse()
        now = plain.control("GET", "/time?client=tester")["now"]
        plain.simulator.world.clock.at(now + 20, lambda: cordon(plain, listed["items"][0]["metadata"]["name"]))
        answer = plain.control("POST", "/sleep", {"client": "tester", "until": now + 60})
        assert answer["now"] == now + 20
        seen = ""
        while seen != answer["resourceVersion"]:
            event = json.loads(events.readline())
            seen = event["object"]["metadata"]["resourceVersion"]


def test_a_wrong_token_is_refused(plain: Served) -> None:
    """The Kubernetes listener lets nobody in with a token that is not its own."""
    with connected(plain.endpoints.kubernetes) as connection:
        connection.request("GET", "/api/v1/nodes", headers=agent("tester", "guessed"))
        assert connection.getresponse().status == 401


def eks_token(cluster: str, region: str) -> str:
    """A token as aws-iam-authenticator makes it: a presigned GetCallerIdentity with the cluster in a signed header."""
    session = boto3.session.Session("simulator", "simulator", region_name=region)
    signer = RequestSigner(ServiceId("STS"), region, "sts", "v4", session.get_credentials(), session.events)
    request = {
        "method": "GET",
        "url": f"https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    url = signer.generate_presigned_url(request, region_name=region, expires_in=60, operation_name="")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


@pytest.mark.parametrize(("cluster", "status"), [("eks-demo", 200), ("eks-other", 401)])
def test_an_eks_token_is_good_for_its_cluster_only(cluster: str, status: int, plain: Served) -> None:
    """The cluster's name is in the signature, and the signature is judged."""
    with connected(plain.endpoints.kubernetes) as connection:
        headers = agent("tester", eks_token(cluster, plain.endpoints.region))
        connection.request("GET", "/api/v1/nodes", headers=headers)
        assert connection.getresponse().status == status


def cordon(served_: Served, node: str) -> None:
    """Make a node unschedulable, as a person would."""
    served_.simulator.world.store.mutate("nodes", None, node, lambda obj: obj["spec"].update(unschedulable=True))


def test_a_world_action_is_applied_at_once_or_explained(plain: Served) -> None:
    """What is known is done; what is not, or what the world refuses, is said."""
    action = {"do": "scale_deployment", "namespace": "demo", "name": "web", "replicas": 0}
    assert plain.control("POST", "/world", action) == {}
    assert plain.control("GET", "/log?actor=world")[-1]["object"] == "deployment/demo/web"
    assert "nowhere" in plain.control("POST", "/world", action | {"name": "nowhere"})["error"]
    assert "explode" in plain.control("POST", "/world", {"do": "explode"})["error"]


def test_promises_and_report_are_shown(plain: Served) -> None:
    """Each promise has its number, text, checks and violations; the report is an object."""
    for promise in plain.control("GET", "/promises"):
        assert promise.keys() >= {"number", "text", "checks", "violations"}
    assert isinstance(plain.control("GET", "/report"), dict)


def script(running: Served) -> None:
    """Do what a rollout does, in small: read, raise, taint, evict, sleep."""
    autoscaling, ec2 = running.boto3("autoscaling"), running.boto3("ec2")
    with running.session():
        groups = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        template = groups[0]["LaunchTemplate"]["LaunchTemplateId"]
        image = {"ImageId": running.endpoints.target_ami}
        ec2.create_launch_template_version(LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData=image)
        for node in running.kube("GET", "/api/v1/nodes")["items"]:
            running.kube("PATCH", f"/api/v1/nodes/{node['metadata']['name']}", {"spec": {"unschedulable": True}})
        name = groups[0]["AutoScalingGroupName"]
        autoscaling.update_auto_scaling_group(AutoScalingGroupName=name, MaxSize=9, DesiredCapacity=4)
        for _ in range(20):
            running.sleep(120)
            autoscaling.describe_auto_scaling_groups()


def test_the_same_script_makes_the_same_history(tmp_path: Path) -> None:
    """Same scenario, same seed, same requests: the same log, to the millisecond."""
    logs = []
    for attempt in ("first", "second"):
        with served("plain", tmp_path / attempt) as running:
            script(running)
            logs.append(running.control("GET", "/log"))
    assert len(logs[0]) > 100
    assert logs[0] == logs[1]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_works_with_the_handed_out_kubeconfig(plain: Served, tmp_path: Path) -> None:
    """It lists nodes and cordons one."""

    def kubectl(*words: str) -> str:
        command = ("kubectl", "--kubeconfig", str(plain.endpoints.kubeconfig), *words)
        return subprocess.run(
            command, check=True, capture_output=True, text=True, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        ).stdout

    node = kubectl("get", "nodes", "-o", "name").splitlines()[0]
    assert "cordoned" in kubectl("cordon", node)
    assert "SchedulingDisabled" in kubectl("get", node)


UPDATE = """
import http.client, sys
control, aws = (http.client.HTTPConnection(address) for address in sys.argv[1:])
control.request("GET", "/session?client=doomed")
control.getresponse().readline()
form = "Action=UpdateAutoScalingGroup&Version=2011-01-01&AutoScalingGroupName=eks_worker-demo&MaxSize=9"
headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "eks-rollout-run/doomed"}
aws.request("POST", "/", form, headers)
aws.getresponse()
"""


@pytest.mark.parametrize(("when", "applied"), [("before", []), ("after", ["MaxSize"])])
def test_a_client_killed_while_it_hangs_leaves_exactly_what_was_applied(
    when: str, applied: list[str], plain: Served
) -> None:
    """SIGKILL at an exact point: time stands still, its claim on time ends, and nothing happens afterwards."""
    plain.control("POST", "/faults", {"match": {"client": "doomed", "nth": 1}, "hang": {"when": when}})
    addresses = [url.removeprefix("http://") for url in (plain.endpoints.control, plain.endpoints.aws)]
    with subprocess.Popen([sys.executable, "-c", UPDATE, *addresses]) as doomed:
        hung = plain.control("GET", "/hung")
        moment = plain.control("GET", "/time")["now"]
        assert (hung["operation"], plain.simulator.sessions.registered) == ("UpdateAutoScalingGroup", ["doomed"])
        doomed.kill()
    assert plain.control("GET", "/time")["now"] == moment
    plain.control("DELETE", "/faults")
    assert [change["field"] for change in plain.control("GET", "/log?actor=client:doomed")] == applied
    with plain.session():
        assert plain.sleep(10)["now"] == moment + 10


SLEEPER = """
import http.client, json, sys
address = sys.argv[1]
session, asking = http.client.HTTPConnection(address), http.client.HTTPConnection(address)
headers = {"User-Agent": "eks-rollout-run/stopped"}
session.request("GET", "/session?client=stopped", headers=headers)
session.getresponse().readline()
while True:
    print(flush=True)
    sys.stdin.readline()
    asking.request("GET", "/time", headers=headers)
    print(json.loads(asking.getresponse().read())["now"], flush=True)
"""


def test_ten_minutes_pass_while_a_client_is_stopped(plain: Served) -> None:
    """SIGSTOP keeps its session; said to be absent, it holds nobody up; continued, it finds its clock has jumped."""
    command = [sys.executable, "-c", SLEEPER, plain.endpoints.control.removeprefix("http://")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as stopped:
        assert stopped.stdin
        assert stopped.stdout
        stopped.stdout.readline()
        began = plain.control("GET", "/time")["now"]
        stopped.send_signal(signal.SIGSTOP)
        plain.control("POST", "/clients/stopped/absent", {})
        with plain.session():
            plain.sleep(600)
        stopped.send_signal(signal.SIGCONT)
        print(file=stopped.stdin, flush=True)
        assert float(stopped.stdout.readline()) == began + 600
        assert plain.control("GET", "/clients")["stopped"]["absent"] is False
        stopped.kill()


SERVE = """
import asyncio, pathlib, sys
from eks_simulator.handout import TOKEN
from eks_simulator.server import serve
asyncio.run(serve("plain", pathlib.Path(sys.argv[1]), lambda up: print(up.control, flush=True), exit_with_stdin=True))
"""


@pytest.mark.parametrize(
    "end", [lambda process: process.stdin.close(), lambda process: process.send_signal(signal.SIGTERM)]
)
def test_the_process_ends_with_its_parent_or_when_told(end: Callable[[Any], None], tmp_path: Path) -> None:
    """A closed standard input, where that was asked for, and SIGTERM both end it in good order."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", SERVE, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        end(process)
        assert process.wait(60) == 0
    assert not (tmp_path / "endpoints.json").exists()

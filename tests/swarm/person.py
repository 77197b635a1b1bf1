"""The person at a halt: does to the letter what the halt says to type, as far as that changes a group, node or pod."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.e2e.simulated import Result

_COMMAND = re.compile(r"aws autoscaling [^;()\n]+")
_KUBECTL = re.compile(r"kubectl (?:--\w+ \S+ )*((?:uncordon|delete|taint|describe node|get nodes)[^;,()\n]*)")
#: What a shell keeps from one command for the next is read, too.
_EC2 = re.compile(r"aws ec2 (?:create-launch-template-version|modify-launch-template) [^;\n]+")
_READ = re.compile(r"aws ec2 describe-instances [^;]*--instance-ids (i-\w+)")
_IMAGE = re.compile(r"with image (ami-\w+)")
_REBOOT = re.compile(r"aws ec2 reboot-instances [^;]*--instance-ids (i-\w+)")
#: A desired capacity that is too high; nobody but a person knows on which instance nothing runs.
_TOO_MANY = re.compile(r"DesiredCapacity of (\S+) (?:is (\d+), not (\d+)|was (\d+) at the start and is (\d+) now)")
_OURS = "eks-rollout/"
_ONE_LESS = "terminate-instance-in-auto-scaling-group"
_UNDONE = re.compile(r"set-default-version of (lt-\w+) was done and seen, and was reverted since")
#: A pod that a person may delete, where the halt says so.
_POD = re.compile(r"\bpod ([\w.-]+)/([\w.-]+)")
#: How a rollout that was aborted ends, and how an abort says that it is asked for.
BACK, ASKED = "aborted: the groups run what they ran before", " is asked to go back; "
_USAGE = 2
#: A launch template that no group names at first; a person takes it where another one was deleted.
SPARE = "spare-lt"
_FIELDS = {"--min-size": "MinSize", "--max-size": "MaxSize", "--desired-capacity": "DesiredCapacity"}
_PROCESSES = {"suspend-processes": False, "resume-processes": True}


@dataclass(frozen=True, slots=True)
class Amend:
    """What the world does because a halt says so, if anything; `touched`: fields that are ours again by it."""

    action: dict[str, Any] | None
    touched: tuple[tuple[str, str], ...] = ()


def paused(printed: str) -> bool:
    """Tell whether a run ended because somebody has paused the rollout: nothing is wrong, and a resume goes on."""
    return printed.rfind("\npaused since ") > printed.rfind("\nhalted")


def asks_before_it_kills(result: Result) -> bool:
    """Tell whether a resume wants to know first whether Jobs may be killed."""
    return result.code == _USAGE and "--kill-now" in result.err


def goes_back(text: str, state: dict[str, Any]) -> bool:
    """Tell whether only the way back is left: a halt says so, or a group's activities, that its template is deleted."""
    names = (str(group["LaunchTemplate"] or group["MixedInstancesPolicy"]) for group in state["groups"].values())
    gone = any(not any(f"'{id_}'" in name for id_ in state["templates"]) for name in names)
    return "next: go back, and begin again" in text or (gone and "describe-scaling-activities" in text)


def halt(printed: str) -> str:
    """What a run that halted says last: what happened, how the cluster stands, what waiting costs, what to type."""
    return printed.rpartition("\nhalted")[2]


def told(text: str, state: dict[str, Any]) -> Iterator[Amend]:
    """Yield what a halt tells to do, as actions of the world; `state`: what there is."""
    hint = text.rpartition("next: ")[2]
    for instance in _REBOOT.findall(hint):
        yield from _rebooted(instance, state)
    if "delete" in hint:
        pods = dict.fromkeys(_POD.findall(text))
        yield from (Amend({"do": "delete_pods", "namespace": where, "prefix": name}) for where, name in pods)
    # Who resumes has found out who did it, and wants it ours.
    yield from (Amend(None, ((f"template/{name}", "DefaultVersionNumber"),)) for name in _UNDONE.findall(text))
    made = dict[str, str]()
    for command in _EC2.findall(hint):
        yield from _of_template(shlex.split(command.rstrip(")"))[2:], _read(hint, state), made, state)
    if "LaunchTemplateId=ID" in hint or '"LaunchTemplateId": "ID"' in hint:
        yield from _spared(_IMAGE.search(hint), made, state)
    for command in _COMMAND.findall(text):
        yield from _in_account(shlex.split(command)[2:], made, state)
    for command in _KUBECTL.findall(hint):
        yield from _in_cluster(shlex.split(command), state)
    if _ONE_LESS in hint:  # last: its number may lie below a MinSize that is put back first
        for group, now, wanted, before, grown in _TOO_MANY.findall(text):
            yield from _ended(group, int(now or grown) - int(wanted or before), state)


def _read(hint: str, state: dict[str, Any]) -> str:
    """Return the image that a command reads off an instance, "" for none."""
    instances = [one for group in state["groups"].values() for one in group["Instances"].items()]
    return next((one["ImageId"] for name in _READ.findall(hint) for id_, one in instances if id_ == name), "")


def _of_template(words: list[str], image: str, made: dict[str, str], state: dict[str, Any]) -> Iterator[Amend]:
    """Do what a command for a launch template does. `image`: what was read before; `made`: what is known after it."""
    options = _options(words[1:])
    id_ = options["--launch-template-id"][0]
    template = state["templates"][id_]
    if words[0] == "modify-launch-template":
        version = options["--default-version"][0].replace("$VERSION", made.get("$VERSION", ""))
        action = {"do": "set_default", "template": template["Name"], "version": version}
        yield Amend(action, ((f"template/{id_}", "DefaultVersionNumber"),))
        return
    made["$VERSION"] = str(len(template["Images"]) + 1)  # the number of one that was deleted is not used again
    wanted = json.loads(" ".join(options["--launch-template-data"]))["ImageId"].replace("$IMAGE", image)
    yield Amend({"do": "new_version", "template": template["Name"], "image": wanted})


def _spared(image: re.Match[str] | None, made: dict[str, str], state: dict[str, Any]) -> Iterator[Amend]:
    """Prepare another template, for one that was deleted: with the image that is named, or the one from before."""
    for id_, spare in state["templates"].items():
        if spare["Name"] == SPARE:
            made["ID"] = id_
            made["NUMBER"] = version = str(len(spare["Images"]) + 1)
            yield Amend({"do": "new_version", "template": SPARE, "image": image[1] if image else spare["Images"][0]})
            yield Amend({"do": "set_default", "template": SPARE, "version": version})


def _in_account(words: list[str], made: dict[str, str], state: dict[str, Any]) -> Iterator[Amend]:
    """Do what a command of Auto Scaling does: its verb and options."""
    verb, options = words[0], _options([_filled(word, made) for word in words[1:]])
    group = " ".join(options.get("--auto-scaling-group-name", ()))
    if verb == "update-auto-scaling-group" and (fields := dict(_fields(options))):
        yield _updated(group, fields)
    elif verb in _PROCESSES:
        processes = options.get("--scaling-processes", [])
        action = {"do": "processes", "group": group, "processes": processes, "on": _PROCESSES[verb]}
        yield Amend(action, ((f"asg/{group}", "SuspendedProcesses"),))
    elif verb == _ONE_LESS and "--no-should-decrement-desired-capacity" in options:
        yield from _replaced(options["--instance-id"][0], state)
    elif verb == "exit-standby":
        yield Amend({"do": "exit_standby", "group": group})
    elif verb == "cancel-instance-refresh":
        yield Amend({"do": "cancel_refresh", "group": group})


def _filled(word: str, made: dict[str, str]) -> str:
    word = word.replace("$VERSION", made.get("$VERSION", "$VERSION"))
    for id_ in (made["ID"],) if "ID" in made else ():
        word = word.replace("LaunchTemplateId=ID,", f"LaunchTemplateId={id_},")
        word = word.replace("Version=NUMBER", f"Version={made['NUMBER']}")
        word = word.replace('"LaunchTemplateId": "ID"', f'"LaunchTemplateId": "{id_}"')
        word = word.replace('"Version": "NUMBER"', f'"Version": "{made["NUMBER"]}"')
    return word


def _in_cluster(words: list[str], state: dict[str, Any]) -> Iterator[Amend]:
    """Do what a command of kubectl does, or, where it shows nodes, open those that somebody else has closed."""
    match words:
        case ["uncordon", name, *_]:
            yield from (Amend({"do": "cordon", "on": False, **node}) for node in _node(name, state))
        case ["delete", "node", name, *_]:
            yield from (Amend({"do": "delete_node", **node}) for node in _node(name, state))
        case ["taint", "node", name, taint, *_] if taint.endswith("-"):
            key = re.split("[=:]", taint[:-1])[0]
            yield from (Amend({"do": "untaint", **node, "key": key}) for node in _node(name, state))
        case ["describe", "node", name, *_]:
            yield from _opened(name, state)
        case ["get", "nodes", *_]:
            yield from (amend for name in state["nodes"] for amend in _opened(name, state))
        case ["delete", "pod", name, "-n", where, *options]:
            pods = {"do": "delete_pods", "namespace": where, "prefix": name}
            yield Amend(pods | {"force": "--force" in options})


def _opened(name: str, state: dict[str, Any]) -> Iterator[Amend]:
    """Open a node that is closed, but not by a rollout: who looks at it sees by whose taint."""
    spec = state["nodes"].get(name, {"spec": {}})["spec"]
    keys = [taint["key"] for taint in spec.get("taints", ()) if "kubernetes.io/" not in taint["key"]]
    for node in _node(name, state):
        yield from (Amend({"do": "untaint", **node, "key": key}) for key in keys if not key.startswith(_OURS))
        if spec.get("unschedulable") and not any(key.startswith(_OURS) for key in keys):
            yield Amend({"do": "cordon", "on": False, **node})


def _node(name: str, state: dict[str, Any]) -> Iterator[dict[str, str]]:
    for group, found in state["groups"].items():
        yield from ({"group": group, "id": id_} for id_, one in found["Instances"].items() if one["Node"] == name)


def _ended(group: str, number: int, state: dict[str, Any]) -> Iterator[Amend]:
    """End instances on which nothing runs, as many as are too many, where there are so many."""
    busy = {pod["spec"].get("nodeName") for pod in state["pods"].values() if _matters(pod)}
    found = state["groups"].get(group, {"Instances": {}})["Instances"]
    idle = [id_ for id_, one in found.items() if one["LifecycleState"] == "InService" and one["Node"] not in busy]
    for id_ in idle[: max(number, 0)]:
        yield Amend({"do": "terminate_in_group", "group": group, "id": id_}, ((f"asg/{group}", "DesiredCapacity"),))


def _matters(pod: dict[str, Any]) -> bool:
    """Tell whether a pod runs that does not belong to its node."""
    owners = {one["kind"] for one in pod["metadata"].get("ownerReferences", ())}
    return pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"} and not owners & {"DaemonSet", "Node"}


def _updated(group: str, fields: dict[str, Any]) -> Amend:
    return Amend(
        {"do": "update_group", "group": group, "fields": fields}, tuple((f"asg/{group}", field) for field in fields)
    )


def _rebooted(instance: str, state: dict[str, Any]) -> Iterator[Amend]:
    for group in _groups(instance, state):
        yield Amend({"do": "reboot_instance", "group": group, "id": instance})


def _replaced(instance: str, state: dict[str, Any]) -> Iterator[Amend]:
    for group in _groups(instance, state):
        yield Amend({"do": "terminate_in_group", "group": group, "id": instance, "decrement": False})


def _groups(instance: str, state: dict[str, Any]) -> Iterator[str]:
    yield from (name for name, group in state["groups"].items() if instance in group["Instances"])


def _options(words: list[str]) -> dict[str, list[str]]:
    """Return the words after each option; what follows the command in its sentence ends with the last."""
    options: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            options[word] = []
        elif options:
            [*options.values()][-1].append(word.rstrip(","))
    return options


def _fields(options: dict[str, list[str]]) -> Iterator[tuple[str, Any]]:
    for name, words in options.items():
        if name in _FIELDS:
            yield _FIELDS[name], int(words[0])
        elif name == "--launch-template":
            yield "LaunchTemplate", dict(part.split("=", 1) for part in words[0].split(","))
        elif name == "--mixed-instances-policy":
            yield "MixedInstancesPolicy", json.loads(words[0])

"""The person at a halt: does to the letter what the halt says to type, as far as that changes a group."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_COMMAND = re.compile(r"aws autoscaling [^;()\n]+")
_REBOOT = re.compile(r"aws ec2 reboot-instances [^;]*--instance-ids (i-\w+)")
_DESIRED = re.compile(r"DesiredCapacity of (\S+) is \d+, not (\d+)")
_UNDONE = re.compile(r"set-default-version of (lt-\w+) was done and seen, and somebody undid it")
#: A pod that a person may delete, where the halt says so.
_POD = re.compile(r"\bpod ([\w.-]+)/([\w.-]+)")
_FIELDS = {"--min-size": "MinSize", "--max-size": "MaxSize", "--desired-capacity": "DesiredCapacity"}
_PROCESSES = {"suspend-processes": False, "resume-processes": True}


@dataclass(frozen=True, slots=True)
class Amend:
    """What the world does because a halt says so, if anything; `touched`: fields that are ours again by it."""

    action: dict[str, Any] | None
    touched: tuple[tuple[str, str], ...] = ()


def told(text: str, state: dict[str, Any]) -> Iterator[Amend]:
    """Yield what a halt tells to do, as actions of the world; `state`: what there is."""
    hint = text.partition("; next: ")[2]
    for instance in _REBOOT.findall(hint):
        yield from _rebooted(instance, state)
    if "delete" in hint:
        pods = dict.fromkeys(_POD.findall(text))
        yield from (Amend({"do": "delete_pods", "namespace": where, "prefix": name}) for where, name in pods)
    # Who resumes has found out who did it, and wants it ours.
    yield from (Amend(None, ((f"template/{name}", "DefaultVersionNumber"),)) for name in _UNDONE.findall(text))
    for command in _COMMAND.findall(text):
        verb, *words = shlex.split(command)[2:]
        options = _options(words)
        group = " ".join(options.get("--auto-scaling-group-name", ()))
        if verb == "update-auto-scaling-group" and (fields := dict(_fields(options))):
            yield _updated(group, fields)
        elif verb in _PROCESSES:
            processes = options.get("--scaling-processes", [])
            action = {"do": "processes", "group": group, "processes": processes, "on": _PROCESSES[verb]}
            yield Amend(action, ((f"asg/{group}", "SuspendedProcesses"),))
        elif verb == "exit-standby":
            yield Amend({"do": "exit_standby", "group": group})
    if hint.startswith("put it back"):  # last: it may lie below a MinSize that is put back first
        yield from (_updated(group, {"DesiredCapacity": int(number)}) for group, number in _DESIRED.findall(text))


def _updated(group: str, fields: dict[str, Any]) -> Amend:
    return Amend(
        {"do": "update_group", "group": group, "fields": fields}, tuple((f"asg/{group}", field) for field in fields)
    )


def _rebooted(instance: str, state: dict[str, Any]) -> Iterator[Amend]:
    for name, group in state["groups"].items():
        if instance in group["Instances"]:
            yield Amend({"do": "reboot_instance", "group": name, "id": instance})


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

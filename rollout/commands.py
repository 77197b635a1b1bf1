"""Every command that a hint tells: built here, quoted for a shell, and completed where it is shown.

Build one with `rollout("resume", rollout_id)`, `aws("ec2", "reboot-instances", …)` or `kubectl("uncordon", name)`,
and put it into the hint: names of others never become words or options of a shell by themselves. The core does not know
how this process was started, and the journal keeps no path of a host: `complete` adds `--config` and `--database`, the
region to commands of AWS, and file and context to those of kubectl, when a person reads it, so that it works when it is
pasted from anywhere.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

#: What runs us, with the interpreter and the code that do so now: for processes, not for hints.
OURS = (sys.executable, "-m", "rollout")
#: Commands of ours that take both options; a hint that names one of them is completed.
COMPLETED = (
    *("resume", "abort", "status", "why", "plan", "events", "list", "doctor", "start", "db upgrade", "db check"),
    *("audit verify", "audit export", "report", "extend", "pause", "skip", "force"),
    *(f"fleet {verb}" for verb in ("status", "why", "events", "pause", "resume", "approve", "skip", "retry", "stop")),
)

#: Those of them that cannot do without a configuration: the journal says neither how to connect nor where.
_CONFIGURED = frozenset({"resume", "abort", "plan", "start", "doctor"})

_QUOTED = r"""(?<!\w)'[^']*'(?:"'"'[^']*')*"""
# A word with a digit, as every id has, or one in quotes: other words after a command belong to the sentence.
_OPERAND = rf"(?: (?:{_QUOTED}|ID\b|(?=[\w./:@%+=-]*\d)\w(?:[\w./:@%+=-]*\w)?))?"
_OURS = re.compile(
    rf"{_QUOTED}|(?<![\w/.'\"-])rollout (?P<path>{'|'.join(COMPLETED)})\b"
    rf"(?: --(?:follow|rebuild|json|assume-dead)\b)*{_OPERAND}"
)
# Commands of AWS about what lies in one region: groups of one name may stand in another, too.
_REGIONAL = re.compile(
    rf"{_QUOTED}|(?<![\w/.'\"-])(?P<command>aws (?:autoscaling|batch|ec2|eks|kms|sagemaker|ssm) [a-z-]+)\b"
)
# The current context of the person who pastes it may be another cluster's, with nodes of the same names.
_OF_KUBECTL = re.compile(rf"{_QUOTED}|(?<![\w/.'\"-])(?P<command>kubectl) (?=-n |[a-z])")
#: What `kubectl get` lists where a webhook of admission may be what answers.
WEBHOOKS = "validatingwebhookconfigurations,mutatingwebhookconfigurations"
#: Lowers desired without leaving to AWS whom to end.
ONE_LESS = (
    "aws autoscaling terminate-instance-in-auto-scaling-group --instance-id ID --should-decrement-desired-capacity, "
    "for each one too many, with the ID of one on which nothing runs"
)
#: Where a command ends in a sentence.
_END = re.compile(r"[,;()\n]|$")


@dataclass(frozen=True, slots=True)
class Options:
    """How this process was told which configuration and journal it works with; "" for what was not told.

    `unconfigured`: a journal was found, and no configuration. `database`: without a password; `hidden`: it has one,
    which is nowhere shown; `region`, `kubeconfig` and `context`: the configuration's.
    """

    config: str = ""
    database: str = ""
    hidden: bool = False
    region: str = ""
    kubeconfig: str = ""
    context: str = ""
    unconfigured: bool = False


def rollout(*words: str) -> str:
    """Return a command of ours: its name, options, and operands last."""
    return shlex.join(("rollout", *words))


def resume(rollout_id: str, *options: str) -> str:
    """Return the command that goes on with a rollout; an id that others wrote is never taken for an option."""
    return _about("resume", rollout_id, options)


def abort(rollout_id: str, *options: str) -> str:
    """Return the command by which a rollout goes back."""
    return _about("abort", rollout_id, options)


def extend(rollout_id: str, *options: str) -> str:
    """Return the command that gives a rollout's Jobs more time."""
    return _about("extend", rollout_id, options)


def pause(rollout_id: str, *options: str) -> str:
    """Return the command that lets a rollout stand still."""
    return _about("pause", rollout_id, options)


def skip(rollout_id: str, *options: str) -> str:
    """Return the command that lets a node stay."""
    return _about("skip", rollout_id, options)


def force(rollout_id: str, *options: str) -> str:
    """Return the command that lets a node go now."""
    return _about("force", rollout_id, options)


def _about(verb: str, rollout_id: str, options: Sequence[str]) -> str:
    operand = ("--", rollout_id) if rollout_id.startswith("-") else (rollout_id,)
    return rollout(verb, *options, *operand)


def then_resume(hint: str, rollout_id: str) -> str:
    """Return what to do about a halt, with the command that goes on after it, if the hint does not say one itself."""
    command = resume(rollout_id)
    return hint if command in hint or hint.endswith(abort(rollout_id)) else f"{hint}, then: {command}"


def aws(*words: str) -> str:
    """Return a command of the AWS CLI."""
    return shlex.join(("aws", *words))


def on_group(verb: str, group: str, *options: str) -> str:
    """Return a command of Auto Scaling for one group."""
    return aws("autoscaling", verb, "--auto-scaling-group-name", group, *options)


def activities(group: str) -> str:
    """Return the command that shows what Auto Scaling did with a group, and why it launched nothing."""
    return on_group("describe-scaling-activities", group, "--max-items", "5")


def resume_processes(group: str, names: Iterable[str]) -> str:
    """Return the command that resumes scaling processes of a group; never without names, which would be all."""
    return on_group("resume-processes", group, "--scaling-processes", *names)


def end_instance(instance_id: str) -> str:
    """Return the command that ends an instance: its group launches another one, unless AWS retains that instance."""
    verb, keeping = "terminate-instance-in-auto-scaling-group", "--no-should-decrement-desired-capacity"
    return aws("autoscaling", verb, "--instance-id", instance_id, keeping)


def end_retained(instances: Iterable[str]) -> str:
    """Return how instances end that AWS retains: they count as no capacity, and none is launched for them."""
    return f"when nothing runs there that must not end: {'; '.join(map(end_instance, instances))}"


def exit_standby(group: str, instances: Sequence[str], desired: int, maximum: int) -> str:
    """Return what brings instances back from Standby: desired grows by them, and MaxSize must allow that."""
    wanted = desired + len(instances)
    room = on_group("update-auto-scaling-group", group, "--max-size", str(wanted))
    back = on_group("exit-standby", group, "--instance-ids", *instances)
    return back if wanted <= maximum else f"{room}; {back}"


def kubectl(*words: str) -> str:
    """Return a command of kubectl."""
    return shlex.join(("kubectl", *words))


def annotate(node: str, values: Mapping[str, str | None]) -> str:
    """Return the command that gives a node's annotations these values; None removes one."""
    words = (f"{key}-" if value is None else f"{key}={value}" for key, value in values.items())
    return kubectl("annotate", "node", node, *words, "--overwrite")


def with_its_journal(rollout_id: str, journal: str = "", again: Callable[[str], str] = resume) -> str:
    """Say how to go on with a rollout that this journal does not know: `complete` must not name this one for it.

    `journal`: where it is, if that is known: a server's address, or a file on the host where it was used last.
    `again`: the command that goes on with it.
    """
    command = f"{again(rollout_id)} --database"
    if not journal:
        return f"with its own journal: {command} URL"
    address = journal if "://" in journal else f"sqlite:///{journal}"
    where = "" if "://" in journal else ", on the host that has this file"
    return f"with its own journal{where}: {command} {quoted(address)}"


def quoted(name: str) -> str:
    """Return a name of others as one word of a shell, for a command that is written out."""
    return shlex.quote(name)


def complete(text: str, options: Options) -> str:
    """Return a text whose commands name what they are about: configuration and journal, region, or cluster."""
    told = _OURS.sub(lambda found: _completed(found, options), text)
    more = " (with the database's password in PGPASSWORD)" if options.hidden and told != text else ""
    located = _REGIONAL.sub(lambda found: _located(found, options.region), told)
    return _OF_KUBECTL.sub(lambda found: _aimed(found, options), located) + more


def _completed(found: re.Match[str], options: Options) -> str:
    if found["path"] is None:
        return found[0]  # a quoted name, with any text
    said = _rest(found)
    config = options.config or ("FILE" if options.unconfigured and found["path"] in _CONFIGURED else "")
    added = [
        f" {name} {shlex.quote(value)}"
        for name, value in (("--config", config), ("--database", options.database))
        if value and not re.search(rf" {name} ", said)
    ]
    return found[0] + "".join(added)


def _located(found: re.Match[str], region: str) -> str:
    if found["command"] is None or not region or " --region " in _rest(found):
        return found[0]
    return f"{found[0]} --region {shlex.quote(region)}"


def _aimed(found: re.Match[str], options: Options) -> str:
    if found["command"] is None:
        return found[0]
    named = (("--kubeconfig", options.kubeconfig), ("--context", options.context))
    return found[0] + "".join(f"{name} {shlex.quote(value)} " for name, value in named if value)


def _rest(found: re.Match[str]) -> str:
    """Return what follows a command's beginning, to where it ends in its sentence."""
    end = _END.search(found.string, found.end())
    return found.string[found.end() : end.start() if end else None]

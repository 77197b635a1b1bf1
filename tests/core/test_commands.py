"""Commands that hints tell: quoted, complete, and such as the command line accepts."""

from __future__ import annotations

import shlex

import pytest
import typer

from rollout import commands
from rollout.cli.app import app
from rollout.commands import Options, complete

TOLD = Options("/a b/rollout.yaml", "sqlite:////x/y.db")
ADDED = "--config '/a b/rollout.yaml' --database sqlite:////x/y.db"
KUBECTL = "kubectl --kubeconfig '/a b/k' --context prod"
ID = "20260105-080000-abcd"


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        (f"see why, then: rollout resume {ID}", f"see why, then: rollout resume {ID} {ADDED}"),
        (f"rollout resume {ID} does it once more", f"rollout resume {ID} {ADDED} does it once more"),
        (f"(rollout resume {ID}), then", f"(rollout resume {ID} {ADDED}), then"),
        ("rollout list shows all", f"rollout list {ADDED} shows all"),
        ("nodes' x: rollout doctor --rebuild", f"nodes' x: rollout doctor --rebuild {ADDED}"),
        ("rollout start --ami AMI", f"rollout start {ADDED} --ami AMI"),
        ("rollout resume r1 --database URL", "rollout resume r1 --config '/a b/rollout.yaml' --database URL"),
        ("aws x --name 'rollout resume 1'", "aws x --name 'rollout resume 1'"),
        ("rollout config check --config x", "rollout config check --config x"),
        ("rollout resume -- --database=x", f"rollout resume {ADDED} -- --database=x"),
    ],
)
def test_a_command_names_configuration_and_journal(hint: str, shown: str) -> None:
    """Wherever a command of ours stands in a hint, it repeats what this process was told, and names of others stay."""
    assert complete(hint, TOLD) == shown
    assert complete(hint, Options()) == hint


def test_who_has_a_journal_alone_is_told_that_a_configuration_is_needed() -> None:
    """A command that needs one says so; one that reads the journal does not."""
    told = Options(database="sqlite:////x/y.db", unconfigured=True)
    assert complete(f"rollout resume {ID}", told) == (f"rollout resume {ID} --config FILE --database sqlite:////x/y.db")
    assert complete(f"rollout status {ID}", told) == f"rollout status {ID} --database sqlite:////x/y.db"


def test_a_password_is_said_to_be_needed_and_not_shown() -> None:
    """A journal whose password was typed is named without it, and the hint says how it comes."""
    told = Options(database="postgresql://u@h/d", hidden=True)
    shown = "rollout list --database postgresql://u@h/d (with the database's password in PGPASSWORD)"
    assert complete("rollout list", told) == shown
    assert complete("look at AWS", told) == "look at AWS"


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        (
            "put it back (aws autoscaling x-y --name g), then",
            "put it back (aws autoscaling x-y --region r-1 --name g), then",
        ),
        ("see (aws ec2 describe-images)", "see (aws ec2 describe-images --region r-1)"),
        (
            "aws ec2 copy-image --region r-2 --name n, aws kms x",
            "aws ec2 copy-image --region r-2 --name n, aws kms x --region r-1",
        ),
        ("aws sts get-caller-identity", "aws sts get-caller-identity"),
        ("x --name 'aws ec2 y'", "x --name 'aws ec2 y'"),
    ],
)
def test_a_command_of_aws_names_the_region(hint: str, shown: str) -> None:
    """Groups of one name may stand in two regions: what is pasted changes none of another."""
    assert complete(hint, Options(region="r-1")) == shown
    assert complete(hint, Options()) == hint


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        ("see why (kubectl get nodes), then", f"see why ({KUBECTL} get nodes), then"),
        (
            "kubectl taint node n k-; kubectl -n x delete pod p",
            f"{KUBECTL} taint node n k-; {KUBECTL} -n x delete pod p",
        ),
        ("kubectl's own file", "kubectl's own file"),
        ("aws x --name 'kubectl get y'", "aws x --name 'kubectl get y'"),
    ],
)
def test_a_command_of_kubectl_names_the_cluster(hint: str, shown: str) -> None:
    """The current context of the user's shell may be another cluster's: the file and context that we use are named."""
    assert complete(hint, Options(kubeconfig="/a b/k", context="prod")) == shown
    assert complete(hint, Options()) == hint


@pytest.mark.parametrize("path", commands.COMPLETED)
def test_each_completed_command_takes_what_is_added(path: str) -> None:
    """The command line has every command that hints complete, and each takes both options."""
    command = typer.main.get_command(app)
    for name in path.split():
        command = command.commands[name]  # type: ignore[attr-defined]  # a group has it
    assert {"--config", "--database"} <= {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("name", ["a b", "$(reboot)", "it's", "; rm -rf /", "-x", "[red]", "`id`", "a\nb"])
def test_a_name_of_others_is_one_word(name: str) -> None:
    """A shell takes the name of a group, node or marker as one operand, with any characters in it."""
    assert shlex.split(commands.exit_standby("g", (name,), desired=1, maximum=2))[-1] == name
    assert shlex.split(commands.kubectl("uncordon", name))[-1] == name
    assert shlex.split(complete(commands.resume(name), Options()))[-1] == name

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.forked import Forked
from tests.packer import building
from tests.packer.recorded import ENVIRONMENT, recorded
from tests.tools import search_path

#: What a stand-in for Packer says of its version.
MODERN, OLD = "Packer v1.11.2", "Packer v1.6.6"
WRITES = 'echo \'{"builds": [{"packer_run_uuid": "2", "artifact_id": "eu-west-1:ami-0b"}], "last_run_uuid": "2"}\''


def template(folder: Path, text: str = "") -> Path:
    """Make a folder with a template."""
    (folder / "packer").mkdir()
    (folder / "packer" / "eks.pkr.hcl").write_text(text)
    return folder


def stand_in(folder: Path, *lines: str, version: str = MODERN) -> str:
    """Put a program of Packer's name into a folder; return a PATH on which it is found first."""
    program = folder / "bin" / "packer"
    program.parent.mkdir(exist_ok=True)
    told = f'#!/bin/bash\n[ "$1" = version ] && {{ echo "{version}"; exit 0; }}\n'
    program.write_text(told + "\n".join(lines) + "\n")
    program.chmod(0o755)
    return f"{program.parent}:{os.defpath}"


def begin(folder: Path, *arguments: str, path: str, **more: str) -> Forked:
    """Start `rollout ami build` in a folder; it ignores no signal."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    around = {"PATH": path, "HOME": str(folder), "CHECKPOINT_DISABLE": "1", **kept, **more}
    return Forked(("ami", "build", *arguments), folder, around)


def build(folder: Path, *arguments: str, path: str, **more: str) -> tuple[int, str, str]:
    """Run it to its end: exit code, stdout and stderr."""
    process = begin(folder, *arguments, path=path, **more)
    out, err = process.communicate(timeout=120)
    return process.wait(), out, err


def test_the_real_packer_builds(tmp_path: Path) -> None:
    """Its words go to stderr; stdout says which AMI came of it, and where that is written down."""
    with recorded() as aws:
        building.simulated(tmp_path / "packer", aws.url)
        variables = building.variables(source_ami=building.source_ami(aws))
        (tmp_path / "more.pkrvars.hcl").write_text('branch = "release/7"\n')
        ours = [value if value != "-var" else "--var" for value in variables]
        code, out, err = build(tmp_path, *ours, "--var-file", "more.pkrvars.hcl", path=search_path(), **ENVIRONMENT)
        assert code == 0, err
        images = aws.client("ec2").describe_images(Filters=[{"Name": "tag:branch", "Values": ["release/7"]}])["Images"]
    assert out == f"{images[0]['ImageId']} in {building.GIVEN['region']}\nmanifest: packer/manifest.json\n"
    assert "Build 'amazon-ebs.eks_model' finished" in err


def test_what_packer_refuses_is_exit_1(tmp_path: Path) -> None:
    """Packer's own words come first, then ours."""
    building.derived(tmp_path / "packer")
    code, out, err = build(tmp_path, "--var", "branch=-x", path=search_path(), AWS_REGION="eu-west-1")
    assert (code, out) == (1, "")
    assert err.index("The branch must be the name") < err.index("rollout: packer build failed (exit code 1)")


def test_plugins_are_fetched_where_the_template_names_some(tmp_path: Path) -> None:
    """By `packer init`, in the template's folder; a template without them needs none."""
    path = stand_in(tmp_path, 'echo "$PWD: $*" >&2', f"[ $1 = build ] && {WRITES} > manifest.json || true")
    template(tmp_path, "packer {\n  required_plugins {\n  }\n}\n")
    assert build(tmp_path, path=path) == (
        0,
        "ami-0b in eu-west-1\nmanifest: packer/manifest.json\n",
        f"{tmp_path}/packer: init .\n{tmp_path}/packer: build -color=false .\n",
    )
    (tmp_path / "packer/eks.pkr.hcl").write_text("# no required_plugins {\n")
    (tmp_path / "packer/manifest.json").unlink()
    assert "init" not in build(tmp_path, path=path)[2]


@pytest.mark.parametrize(
    ("lines", "version", "told"),
    [
        ((), OLD, "is Packer 1.6.6, which knows no required_plugins"),
        ((), "dictionary: cannot open", "is not HashiCorp's Packer"),
        (("exit 7",), MODERN, "packer init failed (exit code 7)"),
        (("kill -9 $$",), MODERN, "packer init failed (killed by SIGKILL)"),
        (("kill -40 $$",), MODERN, "packer init failed (killed by signal 40)"),
    ],
    ids=["old", "another program", "fails", "killed", "killed by a signal without a name"],
)
def test_a_packer_that_will_not_do_is_named(tmp_path: Path, lines: Sequence[str], version: str, told: str) -> None:
    """With what to do; nothing is built."""
    template(tmp_path, "packer {\n  required_plugins {\n  }\n}\n")
    code, out, err = build(tmp_path, path=stand_in(tmp_path, *lines, version=version))
    assert (code in {1, 2}, out) == (True, "")
    assert told in err
    assert "\n  next: " in err


def test_without_packer_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    """Exit 2: nothing was begun."""
    (tmp_path / "empty").mkdir()
    code, _out, err = build(template(tmp_path), path=str(tmp_path / "empty"))
    assert (code, err.splitlines()[0]) == (2, "rollout: Packer is not on PATH")
    assert "https://developer.hashicorp.com/packer/install" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--packer-dir", "nowhere"), "there is no Packer template (*.pkr.hcl) in nowhere"),
        (("--var", "branch"), "no variables with a value: branch"),
        (("--var", "=main"), "no variables with a value: =main"),
        (("--var", "--on-error=run-cleanup"), "no variables with a value: --on-error=run-cleanup"),
        (("--var-file", "nowhere.hcl"), "there are no files of variables at nowhere.hcl"),
    ],
)
def test_wrong_usage_is_exit_2(tmp_path: Path, arguments: Sequence[str], told: str) -> None:
    """Before Packer is called."""
    code, _out, err = build(template(tmp_path), *arguments, path=stand_in(tmp_path, "exit 9"))
    assert (code, told in err) == (2, True)


def test_a_packer_that_cannot_be_started_is_no_fault_of_ours(tmp_path: Path) -> None:
    """A variable that is longer than the system takes: exit 2 with the system's words."""
    # Linux takes 131,071 characters of one argument: ours passes, Packer's is five longer.
    long = f"branch={'x' * 131_060}"
    code, _out, err = build(template(tmp_path), "--var", long, path=stand_in(tmp_path, "exit 9"))
    assert (code, "cannot be run in packer: [Errno 7] Argument list too long" in err) == (2, True)


def test_an_earlier_manifest_is_not_taken_for_this_builds(tmp_path: Path) -> None:
    """A run that wrote nothing is an error, even if an earlier manifest lies there."""
    template(tmp_path)
    first = stand_in(tmp_path, f"{WRITES} > manifest.json")
    assert build(tmp_path, path=first)[0] == 0
    code, out, err = build(tmp_path, path=stand_in(tmp_path, "true"))
    assert (code, out) == (1, "")
    assert "Packer ended well, but wrote nothing to packer/manifest.json" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_packer_is_told_once_to_stop_and_its_end_awaited(tmp_path: Path, number: signal.Signals) -> None:
    """It gets one SIGTERM, for any signal and any number of them. Exit 75: the same command may be run again."""
    lines = (
        'trap "echo heard >> heard; kill %1" TERM',
        "sleep 60 & echo ready >&2; wait; wait",  # the first wait ends by the signal, the second with the sleep
        "echo cleaned up >&2; exit 1",
    )
    process = begin(template(tmp_path), path=stand_in(tmp_path, *lines))
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(number)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (75, "")
    assert err.startswith("cleaned up\n")
    assert f"packer build was stopped by {number.name}, and has ended (exit code 1)" in err
    assert (tmp_path / "packer/heard").read_text() == "heard\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 75), (signal.SIGKILL, -signal.SIGKILL)])
def test_the_real_packer_removes_its_instance_when_we_are_stopped(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Its outer process ignores SIGINT, and who is killed passes nothing on: nothing is left all the same."""
    with recorded() as aws:
        text = building.simulated(tmp_path / "packer", aws.url) / "eks-model.pkr.hcl"
        waits = '  provisioner "shell-local" {\n    inline = ["echo begun; exec sleep 20"]\n  }\n'
        text.write_text(text.read_text().replace("build {\n", f"build {{\n{waits}"))
        variables = [
            "--var" if one == "-var" else one for one in building.variables(source_ami=building.source_ami(aws))
        ]
        with begin(tmp_path, *variables, path=search_path(), **ENVIRONMENT) as process:
            assert process.stderr is not None
            assert any(line.endswith(": begun\n") for line in process.stderr)
            process.send_signal(number)
            # Not to the end of what is said: the provisioner's own process outlives Packer, and holds it open.
            assert any(line.startswith("Cleanly cancelled builds") for line in process.stderr)
            assert process.wait(timeout=120) == code
        building.assert_nothing_left(aws)

"""`rollout config init` and `rollout config check`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rollout import config
from rollout.cli import template
from rollout.config import Config, Section
from rollout.errors import UserError
from rollout.journal import open_journal
from tests.cli.run import rollout


def test_what_init_writes_is_in_order(tmp_path: Path) -> None:
    """The file is readable by all, passes the check once it is filled in, and the check says what it means."""
    filled_in(tmp_path)
    assert (tmp_path / "rollout.yaml").stat().st_mode & 0o777 == 0o644
    checked = rollout("config", "check", cwd=tmp_path)
    assert checked.code == 0
    assert "pods of a Job of any name in any namespace" in checked.out
    assert "Deployment kube-system/cluster-autoscaler, scaled to 0" in checked.out


def filled_in(folder: Path) -> None:
    """Write a configuration as a person does: with names in place of what stands for them."""
    assert rollout("config", "init", cwd=folder).code == 0
    written = folder / "rollout.yaml"
    written.write_text(written.read_text().replace("REPLACE_ME", "mine"))


def test_what_was_not_filled_in_is_refused_line_by_line(tmp_path: Path) -> None:
    """Each placeholder is named with its line, also one in a line that was uncommented and one from the environment."""
    rollout("config", "init", cwd=tmp_path)
    written = tmp_path / "rollout.yaml"
    text = written.read_text().replace("# assume_role:", "assume_role:")
    written.write_text(text.replace("namespaces: []", "namespaces: [a, '${TEAM}']"))
    ended = rollout("config", "check", cwd=tmp_path, TEAM="REPLACE_ME")
    lines = [
        number
        for number, line in enumerate(written.read_text().splitlines(), 1)
        if not line.strip().startswith("#") and ("REPLACE_ME" in line or "TEAM" in line)
    ]
    assert (ended.code, len(lines)) == (2, 4)
    for number in lines:
        assert f"rollout.yaml:{number}: REPLACE_ME is still here" in ended.err


@pytest.mark.parametrize(
    ("surge", "says"), [("50%", "50% more instances in each group"), ("1", "at most 1 more instance in each group")]
)
def test_check_says_what_is_paid_for_at_a_time(tmp_path: Path, surge: str, says: str) -> None:
    """A surge without its percent sign means something else, and the check says what."""
    (tmp_path / "rollout.yaml").write_text(f"cluster: a\nregion: eu-west-1\ngroups: [b]\nsurge: {surge}\n")
    assert f"  surge:      {says} at a time, " in rollout("config", "check", cwd=tmp_path).out


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    """A file that is there is left alone, exit 2."""
    (tmp_path / "rollout.yaml").write_text("mine")
    ended = rollout("config", "init", cwd=tmp_path)
    assert ended.code == 2
    assert "left alone" in ended.err
    assert (tmp_path / "rollout.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("check", "--config", "."), "rollout: . cannot be read: Is a directory\n  next: name another file"),
        (("init", "--output", "."), "rollout: . is a folder\n  next: name a file in it with --output"),
        (("init", "--output", "/nowhere/x.yaml"), "No such file or directory\n  next: name another place"),
    ],
)
def test_a_place_that_cannot_be_a_file(tmp_path: Path, command: tuple[str, ...], says: str) -> None:
    """A folder, or a place in none, is told in words, with what to do."""
    ended = rollout("config", *command, cwd=tmp_path)
    assert (ended.code, says in ended.err) == (2, True), ended.err


def test_resume_of_nobody_without_credentials(tmp_path: Path) -> None:
    """That there is no such rollout is said first, then why the cluster was not asked, and who we are there."""
    filled_in(tmp_path)
    open_journal(f"sqlite:///{tmp_path / 'rollout.db'}", actor="tester").close()
    command = ("resume", "nosuch", "--database", f"sqlite:///{tmp_path / 'rollout.db'}")
    ended = rollout(*command, cwd=tmp_path, AWS_EC2_METADATA_DISABLED="true")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(
        "rollout: there is no rollout nosuch in this journal; nor could the cluster be asked"
    ), ended.err
    assert "NoCredentialsError" in ended.err
    assert "aws sts get-caller-identity --profile NAME" in ended.err


def test_the_names_of_the_original_script_are_filled_in(tmp_path: Path) -> None:
    """Roles, group, cluster, namespace and Jobs are those that the script derived from its two arguments."""
    rollout("config", "init", "--seed-names", "staging", "012345678901", cwd=tmp_path)
    loaded = config.load(tmp_path / "rollout.yaml", {})
    assert (loaded.cluster, loaded.groups, loaded.account) == ("eks-staging", ("eks_worker-staging",), "012345678901")
    assert loaded.access.assume_role == "arn:aws:iam::012345678901:role/redeploy_nodes-staging"
    assert loaded.access.eks_role == "arn:aws:iam::012345678901:role/eks_admin_role-staging"
    assert loaded.protected.namespaces == ("staging",)
    assert loaded.protected.prefixes == ("algopipeline", "scraper")
    assert "eks_worker_lt-staging" in (tmp_path / "rollout.yaml").read_text()


@pytest.mark.parametrize("names", [("staging", "1234"), ("Staging!", "123456789012")])
def test_seed_names_must_be_names(names: tuple[str, str]) -> None:
    """An account that is not twelve digits, or an environment that was no namespace, is refused."""
    with pytest.raises(UserError):
        template.for_seed(*names)


def test_every_setting_stands_in_the_template_with_its_default() -> None:
    """Uncommented, the template has every key that the models know, and each default in it is the models'."""
    optional = "account|assume_role|eks_role|kubeconfig|context|endpoint_url|database|report"
    optional += "|metrics|textfile|listen|notify|variable|file|events"
    text = template.example().replace("${AWS_REGION:-eu-west-1}", "eu-west-1")
    written = YAML(typ="safe").load(re.sub(rf"^( *)# (?= *({optional}):)", r"\1", text, flags=re.MULTILINE))
    assert _missing(Config, written) == {"simulator"}  # the simulator writes it by itself
    loaded = Config.model_validate(YAML(typ="safe").load(text))
    least = Config(cluster="REPLACE_ME", region="eu-west-1", groups=("REPLACE_ME",))
    assert loaded == least


def _missing(section: type[Section], written: dict[str, Any]) -> set[str]:
    missing = set(section.model_fields) - set(written)
    for name, field in section.model_fields.items():
        if isinstance(field.default, Section):
            missing |= _missing(type(field.default), written[name])
    return missing


def test_check_refuses_with_lines(tmp_path: Path) -> None:
    """Every problem is printed with file and line, exit 2, and the next command is named."""
    (tmp_path / "rollout.yaml").write_text("cluster: a\nregion: eu-west-1\ngroups: [b]\ndrian: {}\npoll: 1\n")
    ended = rollout("config", "check", cwd=tmp_path)
    assert ended.code == 2
    assert 'rollout.yaml:4: unknown key "drian": did you mean "drain"?' in ended.err
    assert "rollout.yaml:5: poll" in ended.err
    assert f"next: correct it, then: rollout config check --config {tmp_path / 'rollout.yaml'}" in ended.err

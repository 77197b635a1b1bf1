"""The configuration file: what is read, what is refused, and in which words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout import config
from rollout.config import Config, Section
from rollout.errors import UserError
from rollout.model.plan import Surge

LEAST = """\
cluster: eks-demo
region: eu-west-1
groups: [eks_worker-demo]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rollout.yaml"


def load(file: Path, text: str, environment: Mapping[str, str] | None = None) -> Config:
    file.write_text(text, encoding="utf-8")
    return config.load(file, environment or {})


def problems(file: Path, text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """The lines of the refusal, without the file's name: `12: what is wrong`."""
    with pytest.raises(UserError) as refusal:
        load(file, text, environment)
    assert refusal.value.exit_code == 2
    lines = refusal.value.problem.splitlines()
    return [line.strip().removeprefix(f"{file}:") for line in lines if f"{file}:" in line]


def test_three_lines_are_a_configuration(file: Path) -> None:
    """Cluster, region and groups are all that has no default."""
    settings = load(file, LEAST).settings()
    assert settings.autoscaler is not None
    assert (settings.autoscaler.namespace, settings.autoscaler.name) == ("kube-system", "cluster-autoscaler")
    assert (settings.drain_seconds, settings.blocked_seconds) == (7200, 900)
    assert (settings.in_service_seconds, settings.ready_seconds, settings.poll_seconds) == (1800, 1200, 10)
    assert settings.protected.kinds == ("Job",)
    assert settings.taint_key == "eks-rollout/replacing"
    assert not settings.taint_early


def test_settings_carry_what_the_file_says(file: Path) -> None:
    """Each section reaches the plan's settings."""
    text = """
protected: {namespaces: [demo], prefixes: [algo], labels: {team: a}, kinds: [Job, RayJob]}
autoscaler: none
node_selector: {pool: workers}
taint: {key: my/taint, early: true}
processes: [AZRebalance]
drain: {max_draining: 3, on_deadline: halt, on_blocked: force}
deadlines: {in_service: 90s, ready: 15m, drain: 1h30m, blocked: 1d}
poll: 5s
parallel: 4
"""
    settings = load(file, LEAST + text).settings()
    assert settings.protected.namespaces == ("demo",)
    assert settings.protected.labels == {"team": "a"}
    assert settings.protected.kinds == ("Job", "RayJob")
    assert settings.autoscaler is None
    assert settings.node_selector == {"pool": "workers"}
    assert (settings.taint_key, settings.taint_early) == ("my/taint", True)
    assert settings.processes == ("AZRebalance",)
    assert (settings.max_draining, settings.on_deadline, settings.on_blocked) == (3, "halt", "force")
    assert (settings.in_service_seconds, settings.ready_seconds) == (90, 900)
    assert (settings.drain_seconds, settings.blocked_seconds) == (5400, 86400)
    assert (settings.poll_seconds, settings.parallel) == (5, 4)


@pytest.mark.parametrize(
    ("text", "surge"),
    [
        ("", Surge(100, percent=True)),
        ("surge: 50%", Surge(50, percent=True)),
        ("surge: 1%", Surge(1, percent=True)),
        ("surge: 3", Surge(3)),
    ],
)
def test_surge(file: Path, text: str, surge: Surge) -> None:
    """A percentage or a whole number; without it as many new nodes as old ones."""
    assert load(file, LEAST + text).settings().surge == surge


@pytest.mark.parametrize("text", ["0", "0%", "101%", "-1", "1.5", "half", "true", "[1]", "", "10001", "9" * 4000])
def test_a_surge_that_means_nothing(file: Path, text: str) -> None:
    """What is neither is refused, and told what would do."""
    (told,) = problems(file, f"{LEAST}surge: {text}\n")
    assert "neither a percentage from 1% to 100% nor a whole number from 1 to 10000" in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("? : 3\n", "4: a key must be a text"),
        ("?\n: 3\n", "4: there is no key before this colon"),
        ("~: 3\n", "4: there is no key before this colon"),
        ("5: 3\n", "4: the key 5: write it in quotes"),
        ("true: 3\n", "4: the key True: write it in quotes"),
        ("? [a]\n: 3\n", "4: a key must be a text"),
        ("{a: b}: 3\n", "4: a key must be a text"),
        ("protected: {labels: {~: b}}\n", "4: there is no key before this colon"),
        ("protected: {labels: {1: b}}\n", "4: the key 1: write it in quotes"),
    ],
)
def test_a_key_that_is_no_text(file: Path, text: str, said: str) -> None:
    """Each is told once, in words, with its line."""
    (told,) = problems(file, LEAST + text)
    assert told.startswith(said)


ALIASES = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefghijkl")
)


@pytest.mark.parametrize(
    "text",
    [
        f"{ALIASES}groups: *l\n",
        f"{ALIASES}cluster: *d\n",
        f"{LEAST}poll: &g [*g]\n",
        f"{LEAST}taint: &g {{key: *g}}\n",
        f"{LEAST}poll: {'y' * 100_000}\n",
        f"{LEAST}{'z' * 1000}: {'y' * 100_000}\n",
        f"{LEAST}account: [{', '.join(['x'] * 9000)}]\n",
        f"{LEAST}processes: [{', '.join(['[]'] * 3000)}]\n",
    ],
    ids=["aliases", "some aliases", "list in itself", "keys in itself", "text", "key", "list", "problems"],
)
def test_what_is_told_is_no_longer_than_a_page(file: Path, text: str) -> None:
    """However much stands in the file, or is meant by its aliases."""
    with pytest.raises(UserError) as refusal:
        load(file, text)
    assert len(refusal.value.problem) < 10_000


def test_all_problems_are_told_at_once(file: Path) -> None:
    """A file with several problems is refused once, each problem with its line, in the file's order."""
    text = LEAST + "drain:\n  max_drainig: 1\n  on_deadline: pods\npoll: 20s\nrole: ${NOT_SET}\n"
    assert [line.partition(":")[0] for line in problems(file, text)] == ["5", "6", "7", "8"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("drain:\n  max_drainig: 1\n", '5: unknown key "max_drainig" in drain: did you mean "max_draining"?'),
        ("gruops: [a]\n", '4: unknown key "gruops": did you mean "groups"?'),
        ("zzz: 1\n", '4: unknown key "zzz"; known: cluster, region, groups'),
        ("autoscaler:\n  nmae: x\n", '5: unknown key "nmae" in autoscaler: did you mean "name"?'),
        ("account: 012345670123\n", "4: account: write it in quotes: YAML reads it as"),
        ('account: "1234"\n', '4: account: "1234" is not an account id'),
        ("cluster: twice\n", '4: the key "cluster" is here a second time'),
        ("poll: 5\n", '4: poll: "5" is no duration: write it with its unit'),
        ("poll: 0s\n", "4: poll: should be greater than 0"),
        ("poll: 11s\n", "4: poll: 10s is the longest"),
        (
            "drain: {on_deadline: jobs}\n",
            '4: drain.on_deadline: "jobs" is not one of pod, job, halt: did you mean "job"?',
        ),
        ("drain: {max_draining: 0}\n", "4: drain.max_draining: should be greater than or equal to 1"),
        ("processes: [Terminate]\n", '4: processes[0]: "Terminate" is not one of'),
        ("autoscaler:\n", "4: autoscaler: empty value: write `none`, or namespace and name"),
        ("drain:\n", "4: drain is empty: give it a value, or remove the line"),
        ("drain: 5\n", "4: drain: write keys with values here"),
        ("protected: {namespaces: demo}\n", "4: protected.namespaces: write a list here, such as [demo]"),
        ("protected: {prefixes: [a, a]}\n", '4: protected.prefixes: "a" stands there twice'),
        ("taint: {key: 'schlüssel'}\n", '4: taint.key: "schlüssel" is not a Kubernetes label key'),
        ("taint: {key: 'no key'}\n", '4: taint.key: "no key" is not a Kubernetes label key'),
        (
            "taint: {key: node.kubernetes.io/unschedulable}\n",
            '4: taint.key: "node.kubernetes.io/unschedulable" is not a key',
        ),
        ("access: {assume_role: my-role}\n", '4: access.assume_role: "my-role" is not a role\'s ARN'),
        ("access: {context: x}\n", "4: access: kubeconfig and context have no meaning with kubernetes: eks"),
        ("access: {endpoint_url: 'http://u:p@h'}\n", "4: access.endpoint_url: an address with a password in it"),
        ("access: {endpoint_url: 'htp://u:p w@h'}\n", "4: access.endpoint_url: an address with a password in it"),
        (
            "database: sqlite:///relative.db\n",
            '4: database: "sqlite:///relative.db" is neither sqlite:////ABSOLUTE/PATH',
        ),
        ("metrics: {textfile: rollout.txt}\n", '4: metrics.textfile: "rollout.txt" is not a file whose name ends with'),
        ("metrics: {listen: 9464}\n", "4: metrics.listen: "),
        ("metrics: {listen: ':9464'}\n", '4: metrics.listen: ":9464" is not an address with its port'),
        ("metrics: {listen: '127.0.0.1:70000'}\n", '4: metrics.listen: "127.0.0.1:70000" has no port from 1 to 65535'),
        ("database: [\n", "5: not YAML: "),
        (
            "windows:\n  - Mon 22:00-06:00 UTC\n  - Mon 22:00-6:00 UTC\n",
            '6: windows[1]: "Mon 22:00-6:00 UTC" is not days, times and a time zone, such as "Mon-Thu 22:00-06:00 Eur',
        ),
        ("windows: [Mon 06:00-06:20 UTC]\n", '4: windows[0]: "Mon 06:00-06:20 UTC" is shorter than 30 minutes'),
        ("windows: [Mon 22:00-06:00 Mars/Phobos]\n", '4: windows[0]: "Mars/Phobos" is no time zone that is known here'),
        ("windows: [Mon 1:00-06:00 UTC]\n", '4: windows[0]: "Mon 1:00-06:00 UTC" is not days'),
        ("windows: Mon 22:00-06:00 UTC\n", "4: windows: write a list here, such as ["),
    ],
)
def test_a_problem_names_its_line_and_what_to_write(file: Path, more: str, said: str) -> None:
    """What is wrong is told with the line where it stands and what probably was meant."""
    found = problems(file, LEAST + more)
    assert len(found) == 1
    assert found[0].startswith(said)


def test_windows_reach_the_settings(file: Path) -> None:
    """As windows, in the order of the file; none is always open."""
    text = "windows: ['Mon-Thu 22:00-06:00 Europe/Berlin', 'Sat,Sun 00:00-24:00 UTC']\n"
    found = load(file, LEAST + text).settings().windows
    assert [str(one) for one in found] == ["Mon,Tue,Wed,Thu 22:00-06:00 Europe/Berlin", "Sat,Sun 00:00-24:00 UTC"]
    assert load(file, LEAST).settings().windows == ()


def test_time_zones_need_no_files_of_the_host(file: Path) -> None:
    """A container may have none: the package brings its own."""
    asked = "import zoneinfo; zoneinfo.reset_tzpath(()); from rollout import config; import pathlib, sys; "
    told = "print(*config.load(pathlib.Path(sys.argv[1]), {}).settings().windows)"
    file.write_text(LEAST + "windows: [Mon 22:00-06:00 Europe/Berlin]\n", encoding="utf-8")
    ran = subprocess.run([sys.executable, "-c", asked + told, file], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("Mon 22:00-06:00 Europe/Berlin\n", "")


def test_paths_count_from_the_configurations_folder(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From any current folder the same files are meant, also where the configuration is named by a relative path."""
    text = (
        f"{LEAST}report: pages/report.html\nmetrics: {{textfile: ../rollout.prom}}\nnotify: {{file: urls.txt}}\n"
        "access: {kubernetes: kubeconfig, kubeconfig: kube.config}\n"
    )
    here = file.parent
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    load(file, text)
    monkeypatch.chdir(elsewhere)
    for name in (file, Path("../rollout.yaml")):
        found = config.load(name, {})
        assert found.report
        assert found.report.is_absolute()
        assert found.report.resolve() == here / "pages/report.html"
        assert Path(found.metrics.textfile or "").resolve() == here.parent / "rollout.prom"
        assert (found.notify.file or here).resolve() == here / "urls.txt"
        assert (found.access.kubeconfig or here).resolve() == here / "kube.config"
    assert load(file, f"{LEAST}report: /var/report.html\n").report == Path("/var/report.html")


@pytest.mark.parametrize("ends", ["", "-wal", "-shm", "-journal", ".scope.lock"])
def test_what_is_written_is_never_the_journal(file: Path, ends: str) -> None:
    """Nor what belongs to it, by any way to its name; what only lies beside it may be written."""
    (file.parent / "link").symlink_to(file.parent)
    journal = f"{LEAST}database: sqlite:///{file.parent}/rollout.prom\n"
    for way in (".", "link", "nowhere/.."):
        (told,) = problems(file, f"{journal}report: {way}/rollout.prom{ends}\n")
        assert told.startswith("5: report: ")
        assert told.endswith(f"rollout.prom{ends} belongs to the journal: name another file")
    load(file, f"{journal}report: rollout.prom{ends}.html\n")


def test_what_is_written_is_neither_journal_nor_configuration(tmp_path: Path) -> None:
    """A file of metrics too; a second name of the journal's file is refused as the first one."""
    file = tmp_path / "rollout.prom"
    (told,) = problems(file, f"{LEAST}report: ./rollout.prom\n")
    assert told == f"4: report: {file} is this configuration: name another file"
    (told,) = problems(file, f"{LEAST}metrics: {{textfile: rollout.prom}}\n")
    assert told == f"4: metrics: {file} is this configuration: name another file"
    (tmp_path / "rollout.db").touch()
    (tmp_path / "second.prom").hardlink_to(tmp_path / "rollout.db")
    journal = f"{LEAST}database: sqlite:///{tmp_path}/rollout.db\n"
    (told,) = problems(file, f"{journal}metrics: {{textfile: second.prom}}\n")
    assert told == f"5: metrics: {tmp_path}/second.prom belongs to the journal: name another file"


def test_what_may_stand_there_is_listed_once(file: Path) -> None:
    """Where nothing is near what was typed, all that is known is told, and not twice in one line."""
    (told,) = problems(file, LEAST + "drain: {on_deadline: kill}\n")
    assert told == '4: drain.on_deadline: "kill" is not one of pod, job, halt'


@pytest.mark.parametrize("key", ["cluster", "region", "groups"])
def test_what_is_missing_is_named(file: Path, key: str) -> None:
    """A file without one of the keys that have no default is refused by that key's name."""
    text = "".join(line for line in LEAST.splitlines(keepends=True) if not line.startswith(key))
    assert problems(file, text) == [f'1: the key "{key}" is missing']


def test_no_group_is_refused(file: Path) -> None:
    """A rollout of nothing is a mistake."""
    assert problems(file, LEAST.replace("[eks_worker-demo]", "[]")) == [
        "3: groups: the list is empty: give at least one entry"
    ]


def test_a_value_may_come_from_the_environment(file: Path) -> None:
    """References are filled in, inside lists too; a default serves where the variable is not set or empty."""
    text = "cluster: eks-${ENV}\nregion: ${REGION:-eu-west-1}\ngroups: ['${ENV}-a', '${EMPTY:-b}']\n"
    loaded = load(file, text, {"ENV": "demo", "EMPTY": ""})
    assert (loaded.cluster, loaded.region, loaded.groups) == ("eks-demo", "eu-west-1", ("demo-a", "b"))


def test_a_number_may_come_from_the_environment(file: Path) -> None:
    """A variable is text; where a number belongs it is read as one."""
    assert load(file, LEAST + "parallel: ${N}\n", {"N": "7"}).parallel == 7


def test_an_unset_variable_is_named_once(file: Path) -> None:
    """The variable is named with its line, and nothing else is said of the text that stands there."""
    assert problems(file, LEAST + "account: ${ACCOUNT}\n") == [
        "4: the environment variable ACCOUNT is not set; ${ACCOUNT:-VALUE} gives a default"
    ]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
def test_simulated_time_is_for_loopback(file: Path, url: str) -> None:
    """A simulator on this machine may give the time, if AWS is simulated on this machine too."""
    text = f"{LEAST}access: {{endpoint_url: '{url}'}}\nsimulator: '{url}'\n"
    assert load(file, text).simulator == url


@pytest.mark.parametrize("endpoint", ["", "access: {endpoint_url: 'https://vpce.example'}"])
def test_simulated_time_is_refused_elsewhere(file: Path, endpoint: str) -> None:
    """With AWS anywhere else a simulated clock would let a real rollout run through its deadlines in seconds."""
    found = problems(file, f"{LEAST}{endpoint}\nsimulator: http://127.0.0.1:1\n")
    assert found == [
        "5: simulator: simulated time is for a simulator here: both it and access.endpoint_url must be loopback"
    ]


@pytest.mark.parametrize(
    "address", ["127.0.0.1:9464", "0.0.0.0:80", "[::1]:9464", "localhost:1", "metrics.example:65535"]
)
def test_metrics_are_read_on_an_address(file: Path, address: str) -> None:
    """A name, or an address of either family, with its port."""
    assert load(file, f"{LEAST}metrics: {{listen: '{address}'}}\n").metrics.listen == address


def test_a_missing_file_leads_to_init(tmp_path: Path) -> None:
    """Who has no configuration is told how to get one."""
    with pytest.raises(UserError) as refusal:
        config.load(tmp_path / "none.yaml", {})
    assert "config init" in refusal.value.hint


@pytest.mark.parametrize("text", ["", "- a\n", "words\n"])
def test_what_is_no_mapping_is_no_configuration(file: Path, text: str) -> None:
    """An empty file, a list or plain words are refused on their first line."""
    assert problems(file, text)[0].startswith("1: this is no configuration")


def test_the_journal_does_not_lie_in_the_workspace(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a setting the journal is in the user's state folder, no matter what the current folder is."""
    monkeypatch.setenv("XDG_STATE_HOME", str(file.parent / "state"))
    monkeypatch.chdir(file.parent)
    assert load(file, LEAST).database == f"sqlite:///{file.parent}/state/eks-rollout/rollout.db"


@given(st.tuples(*[st.integers(0, 99)] * 4).filter(any))
def test_a_duration_is_the_sum_of_its_parts(parts: tuple[int, ...]) -> None:
    """Days, hours, minutes and seconds add up, each written only where it is not zero."""
    text = "".join(f"{count}{unit}" for count, unit in zip(parts, "dhms", strict=True) if count)
    days, hours, minutes, seconds = parts
    assert config.seconds(text) == ((days * 24 + hours) * 60 + minutes) * 60 + seconds


@given(st.one_of(st.text(), st.integers(), st.none()))
def test_what_has_no_unit_is_no_duration(text: object) -> None:
    """Only digits with units are read; a bare number never is."""
    try:
        value = config.seconds(text)
    except ValueError:
        return
    assert isinstance(text, str)
    assert text[-1] in "dhms"
    assert isinstance(value, float | int)


def test_every_setting_says_what_it_is() -> None:
    """Each field has a description with its default's reason; a section's is its class's."""
    for section in Section.__subclasses__():
        assert section.__doc__
        for name, field in section.model_fields.items():
            is_section = isinstance(field.default, Section)
            assert is_section or field.description, f"{section.__name__}.{name}"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("protected: {namespaces: [Demo]}", '"Demo" is not a namespace\'s name'),
        ("protected: {namespaces: [my_team]}", '"my_team" is not a namespace\'s name'),
        ("protected: {prefixes: [Train]}", '"Train" is not how a name can begin'),
        ("protected: {kinds: [batch/v1 Job]}", '"batch/v1 Job" is not a kind such as Job'),
        ("protected: {labels: {team: a b}}", '"a b" is not a label\'s value'),
        ("protected: {presets: [argo]}", "presets"),
        ("unprotected: ignore", "unprotected"),
        ("autoscaler: {namespace: Kube-System}", '"Kube-System" is not a namespace\'s name'),
        ("autoscaler: {name: ''}", '"" is not a Deployment\'s name'),
        ("autoscaler: {name: a/b}", '"a/b" is not a Deployment\'s name'),
    ],
)
def test_a_name_that_cannot_match_is_refused(file: Path, section: str, said: str) -> None:
    """What Kubernetes could never name so would protect nothing: it is refused when the file is read."""
    (line,) = problems(file, f"{LEAST}{section}\n")
    assert said in line


@pytest.mark.parametrize("name", ["''", "' '", '"a\\tb"', "x" * 256])
def test_a_group_has_a_name(file: Path, name: str) -> None:
    """What Auto Scaling could never name so is refused when the file is read, before it is asked for."""
    (line,) = problems(file, LEAST.replace("[eks_worker-demo]", f"[{name}]"))
    assert "groups[0]" in line
    assert "is not the name of an Auto Scaling group" in line


@pytest.mark.parametrize("length", ["366d", "8761h", "99999999999d", "9" * 400 + "d", "9" * 5000 + "s"])
@pytest.mark.parametrize("key", ["deadlines: {drain", "deadlines: {in_service", "drain: {steady_for", "{patience"])
def test_nobody_waits_longer_than_a_year(file: Path, key: str, length: str) -> None:
    """A length of time beyond a year is refused where it stands, however long it is; a year is not."""
    begin, _, name = key.rpartition("{")
    text = f"{begin}{{{name}: %s}}\n" if begin else f"{name}: %s\n"
    load(file, LEAST + text % "365d")
    (told,) = problems(file, LEAST + text % length)
    assert re.match("4: .* is too long: 365d is the longest$", told)


@pytest.mark.parametrize("key", ["max_draining", "unready_nodes"])
def test_nobody_has_so_many_nodes(file: Path, key: str) -> None:
    """A number of nodes that no group has is refused."""
    assert problems(file, f"{LEAST}drain: {{{key}: 10001}}\n")


@pytest.mark.parametrize("value", ["9" * 5000, "2026-13-45", "[" * 1000])
def test_a_value_that_yaml_itself_cannot_read(file: Path, value: str) -> None:
    """What the reader of YAML stumbles over is a problem of the file."""
    (told,) = problems(file, f"{LEAST}surge: {value}\n")
    assert re.match("[0-9]+: ", told)


def test_a_pipe_is_no_configuration(tmp_path: Path) -> None:
    """A pipe that nobody writes to is refused, and not waited for."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="is a pipe or a device, no file"):
        config.load(tmp_path / "pipe")


@pytest.mark.parametrize(
    "key",
    [
        *("node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready", "kubernetes.io/x", "a.k8s.io/x"),
        *("node.cloudprovider.kubernetes.io/uninitialized", "node-role.kubernetes.io/control-plane"),
        *("ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler", "karpenter.sh/disrupted"),
        *("karpenter.k8s.aws/x", "eks.amazonaws.com/compute-type", "ebs.csi.aws.amazon.com/x"),
        "aws-node-termination-handler/spot-itn",
    ],
)
def test_a_taint_that_others_set_is_not_ours(file: Path, key: str) -> None:
    """RESTORE would take a person's cordon, or an autoscaler's mark, off a node."""
    with pytest.raises(UserError, match=r"taint\.key: .* is not a key that nobody else sets or removes"):
        load(file, LEAST + f"taint: {{key: {key}}}\n")


@pytest.mark.parametrize("key", ["mykubernetes.io/x", "example.com/kubernetes.io", "ToBeDeletedByClusterAutoscaler2"])
def test_a_taint_of_ones_own_may_have_any_other_key(file: Path, key: str) -> None:
    """A name that only looks like one of those is fine."""
    assert load(file, LEAST + f"taint: {{key: {key}}}\n").settings().taint_key == key


@pytest.mark.parametrize("kind", ["job", "Jobs", "jobs.batch", "Deployment.apps", "CronJob.batch", "StatefulSets.apps"])
def test_a_kind_that_controls_no_pod_is_refused(file: Path, kind: str) -> None:
    """A plural, small letters and a controller of controllers would protect nothing."""
    with pytest.raises(UserError, match=r"protected\.kinds\[0\]: .* is not a kind such as Job or ReplicaSet"):
        load(file, LEAST + f"protected: {{kinds: [{kind}]}}\n")

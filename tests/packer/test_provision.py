"""provision.sh, run for real: git and git-lfs fetch from a host that wants the token, the AWS CLI reads the secret."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.packer.building import TEMPLATE
from tests.packer.hosting import Host, basic, git, hosted
from tests.packer.recorded import ENVIRONMENT, Recorded, recorded
from tests.tools import search_path, tool

SCRIPT = TEMPLATE / "provision.sh"
PAGE = TEMPLATE.parent / "docs/baking.md"
FILES = {"weights/part 1.bin": b"\x00\x01" * 4096, "weights/part 2.bin": b"\x02" * 5000, "config.json": b"{}\n"}

#: Programs that the script starts: each is watched for what it is given.
WATCHED = ("aws", "chmod", "cp", "cut", "date", "find", "git", "git-lfs", "head", "mkdir", "mktemp", "mv", "rm", "sed")


@dataclass
class Machine:
    """The machine that a script runs on: a folder for models, a home, a Git host, and Secrets Manager behind `aws`."""

    folder: Path
    host: Host
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "home").mkdir()
        (self.folder / "home/.bash_history").write_text("curl -H 'Authorization: ...'\n")
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        self.environment = {
            **ENVIRONMENT,
            "PATH": f"{self.bin}:{search_path()}",
            "HOME": str(self.folder / "home"),
            "MODEL_ROOT": str(self.root),
            "MODEL_NAME": "model",
            "MODEL_SECRET": "github-token",
            "MODEL_BRANCH": "main",
            "MODEL_REPOSITORY": f"{self.host.url}/model.git",
            # Left by a person who looked into something: git writes every header down.
            "GIT_TRACE_CURL": str(self.folder / "home/trace"),
            "GIT_TRACE_REDACT": "0",
            **self.environment,
        }

    @property
    def root(self) -> Path:
        """Where models are put."""
        return self.folder / "models"

    @property
    def model(self) -> Path:
        """Where this one is put."""
        return self.root / "model"

    def secret_is(self, text: str) -> None:
        """Let `aws` be a program that prints this; the real one takes a second to start."""
        (self.folder / "secret").write_text(text + "\n")
        self.program("aws", f'exec cat "{self.folder}/secret"')

    def program(self, name: str, body: str) -> None:
        """Put a program before the real one of its name."""
        (self.bin / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.bin / name).chmod(0o755)

    def start(self) -> subprocess.Popen[str]:
        """Start the script in a process group of its own."""
        return subprocess.Popen(
            ["/usr/bin/env", "bash", "-x", SCRIPT],
            env=self.environment,
            cwd=self.folder,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def provision(self) -> tuple[int, str, str]:
        """Run the script; return how it ended, and what it printed once it was itself that decided what is printed."""
        process = self.start()
        out, err = process.communicate()
        return process.returncode, out, err.partition("set +x -euo pipefail\n")[2]


def told(files: dict[str, bytes]) -> str:
    """MODEL.sha256 for these files."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())


def commit(folder: Path, files: dict[str, bytes | str], *options: str) -> str:
    """Commit files on top of what a clone has and push them with what is large; return the commit's id."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "model")
    git(folder, "push", "--quiet", *options, "origin", "HEAD:main")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bare repository that has the model, and the clone that it was pushed from."""
    folder = tmp_path_factory.mktemp("pushed")
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", "model.git")
    git(folder / "model.git", "config", "uploadpack.allowReachableSHA1InWant", "true")  # as GitHub does
    git(folder, "clone", "--quiet", (folder / "model.git").as_uri(), "clone")
    git(folder / "clone", "lfs", "install", "--local")
    described = {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "MODEL.sha256": told(FILES)}
    commit(folder / "clone", {**FILES, **described})
    return folder


@pytest.fixture
def clone(tmp_path: Path, pushed: Path) -> Path:
    """A clone of a bare repository of the test's own."""
    shutil.copytree(pushed, tmp_path / "git")
    git(tmp_path / "git/clone", "remote", "set-url", "origin", (tmp_path / "git/model.git").as_uri())
    return tmp_path / "git/clone"


@pytest.fixture
def machine(tmp_path: Path, clone: Path) -> Iterator[Machine]:
    """A machine whose secret is the host's token."""
    token = "ghp_" + secrets.token_hex(16)
    with hosted(clone.parent, token) as host:
        machine = Machine(tmp_path, host)
        machine.secret_is(token)
        yield machine


@pytest.fixture(scope="module")
def aws() -> Iterator[Recorded]:
    """Simulated Secrets Manager."""
    with recorded() as serving:
        yield serving


def traces(machine: Machine) -> list[Path]:
    """The files that have the token in them, or are parts of a clone, where the script can have written."""
    places = [machine.root, machine.folder / "home", *Path("/dev/shm").glob("provision.*")]  # noqa: S108 - it is theirs
    files = [path for place in places for path in [place, *place.rglob("*")] if path.is_file()]
    known = [machine.host.token.encode(), basic(machine.host.token).encode()]
    return [path for path in files if any(one in _written(path) for one in known) or ".git" in path.name]


def _written(path: Path) -> bytes:
    """What stands in a file; nothing in one that is gone by now, as those are of a script that runs beside ours."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def assert_refused(machine: Machine, code: int, *words: str) -> None:
    """The script ends with that code and one line with these words, and leaves nothing behind."""
    ended, out, err = machine.provision()
    assert (ended, out) == (code, ""), err
    (line,) = err.splitlines()
    assert line.startswith("provision: ")
    assert [word for word in words if word not in line] == [], line
    assert machine.host.token not in err
    assert traces(machine) == []
    assert list(machine.root.glob("*")) + list(machine.root.glob(".*")) == []


def test_shellcheck_finds_nothing() -> None:
    """It reads the script as bash does."""
    ended = subprocess.run([tool("shellcheck"), "--norc", SCRIPT], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_the_model_is_put_in_place(machine: Machine, clone: Path) -> None:
    """Its files are there, whole and for reading alone, with what they were made from and nothing of git."""
    ended, out, err = machine.provision()
    assert (ended, err) == (0, "")
    head = git(clone, "rev-parse", "HEAD")
    assert out == f"provision: {machine.model} is in place, from commit {head}\n"
    found = {str(path.relative_to(machine.model)): path for path in machine.model.rglob("*") if path.is_file()}
    assert {name: found[name].read_bytes() for name in FILES} == FILES
    assert found.keys() - FILES.keys() == {"BUILD", "MODEL.sha256"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in found.values()} == {0o444}
    assert {stat.S_IMODE(path.stat().st_mode) for path in [machine.model, machine.model / "weights"]} == {0o555}
    assert {path.stat().st_uid for path in found.values()} == {os.getuid()}
    *facts, built_at = found["BUILD"].read_text().splitlines()
    address = machine.environment["MODEL_REPOSITORY"]
    assert facts == [f"repository={address}", "reference=refs/heads/main", f"commit={head}", "files=3", "large_files=2"]
    assert built_at.startswith("built_at=20")
    assert built_at.endswith("Z")


def test_the_token_is_seen_by_nobody(machine: Machine, aws: Recorded) -> None:
    """It is in no argument and no environment of a program, in nothing that is printed, and in no file afterwards."""
    aws.client("secretsmanager").create_secret(Name="github-token", SecretString=machine.host.token)
    log = machine.folder / "watched"
    for program in WATCHED:
        real = shutil.which(program, path=search_path())
        machine.program(program, f'{{ echo "$0 $*"; env; }} >> "{log}"\nexec {real} "$@"')
    machine.environment["AWS_ENDPOINT_URL"] = aws.url
    process = machine.start()
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert machine.host.token not in out + err
    text = log.read_text()
    assert [program for program in WATCHED if f"{machine.bin}/{program} " not in text] == []
    assert machine.host.token not in text
    assert machine.host.shown == []
    assert [path for path in machine.host.served if "/info/lfs/" in path]
    assert traces(machine) == []
    assert not (machine.folder / "home/.bash_history").exists()


@pytest.mark.exhaustive
def test_the_token_may_be_a_field_of_the_secret(machine: Machine) -> None:
    """Secrets Manager's own console stores JSON."""
    machine.secret_is(json.dumps({"user": "bot", "token": machine.host.token}))
    assert machine.provision()[0] == 0


def test_a_commit_is_baked_when_one_is_named(machine: Machine, clone: Path) -> None:
    """The branch may have moved on since the pipeline began."""
    first = git(clone, "rev-parse", "HEAD")
    commit(clone, {"config.json": "{ }\n", "MODEL.sha256": told({**FILES, "config.json": b"{ }\n"})})
    machine.environment["MODEL_COMMIT"] = first
    assert machine.provision()[0] == 0
    assert f"commit={first}\n" in (machine.model / "BUILD").read_text()
    assert (machine.model / "config.json").read_bytes() == FILES["config.json"]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("echo status: done", 0, ""),
        ("echo status: done; exit 2", 0, ""),  # it recovered
        ("echo; echo ..; echo status: error; exit 1", 2, "cloud-init failed (code 1): status: error. "),
        ("exec sleep 9", 2, "cloud-init failed (code 124)"),
    ],
)
def test_the_machine_is_ready_first(machine: Machine, body: str, code: int, words: str) -> None:
    """cloud-init's end is awaited before anything is installed or fetched: what it still did would be baked half."""
    machine.program("cloud-init", f'echo "$*" > "{machine.folder}/awaited"\n{body}')
    soon = f'exec {shutil.which("timeout")} 0.2 "$@"'
    machine.program("timeout", f'[ "$1 $2" = "--foreground 900" ] || exit 3\nshift 2\n{soon}')
    if code:
        assert_refused(machine, code, words)
        assert machine.host.served == []
    else:
        assert machine.provision()[0] == 0
    assert (machine.folder / "awaited").read_text() == "status --wait\n"


@pytest.mark.exhaustive
def test_a_model_that_the_source_ami_has_is_replaced(machine: Machine) -> None:
    """An AMI may be built from the last one; nothing of the old model stays."""
    machine.model.mkdir(parents=True)
    (machine.model / "old.bin").write_bytes(b"old")
    assert machine.provision()[0] == 0
    assert not (machine.model / "old.bin").exists()


@pytest.mark.exhaustive
def test_the_list_may_be_written_as_the_page_shows(machine: Machine, clone: Path) -> None:
    """The command of docs/baking.md leaves out what the script leaves out, and nothing else."""
    (command,) = re.findall(r"^find .* > MODEL\.sha256$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    commit(clone, {".github/owners": "x\n", ".lfsconfig": "[lfs]\n", "weights/.gitkeep": "", ".gitkeep": ""})
    subprocess.run(command, shell=True, cwd=clone, check=True)  # noqa: S602 - it is the page's
    commit(clone, {"NOTE": ""})
    assert_refused(machine, 6, "MODEL.sha256 does not list NOTE")
    git(clone, "rm", "--quiet", "NOTE")
    commit(clone, {})
    assert machine.provision()[0] == 0


@pytest.mark.exhaustive
def test_files_in_git_lfs_need_no_list(machine: Machine, clone: Path) -> None:
    """Their checksums are in the commit."""
    git(clone, "rm", "--quiet", "MODEL.sha256")
    commit(clone, {"README": "text\n"})
    assert machine.provision()[0] == 0
    assert "files=4\nlarge_files=2\n" in (machine.model / "BUILD").read_text()


def test_a_file_that_was_never_pushed_to_git_lfs(machine: Machine, clone: Path) -> None:
    """The script names the failure of Git LFS; half a model is none."""
    oid = hashlib.sha256(FILES["weights/part 2.bin"]).hexdigest()
    next(clone.parent.glob(f"model.git/lfs/objects/*/*/{oid}")).unlink()
    assert_refused(machine, 5, "Git LFS cannot fetch every file", "git lfs push --all")


@pytest.mark.exhaustive
def test_a_file_that_the_host_mangles(machine: Machine, clone: Path) -> None:
    """A file in LFS is what its commit says, or none."""
    oid = hashlib.sha256(FILES["weights/part 2.bin"]).hexdigest()
    next(clone.parent.glob(f"model.git/lfs/objects/*/*/{oid}")).write_bytes(b"\x03" * 5000)
    assert_refused(machine, 5, "Git LFS cannot fetch every file")


def test_a_file_that_is_not_what_the_list_says(machine: Machine, clone: Path) -> None:
    """The line names the file."""
    commit(clone, {"config.json": "{ }\n"})
    assert_refused(machine, 6, "config.json: FAILED", "MODEL.sha256")


def test_a_file_that_the_list_does_not_have(machine: Machine, clone: Path) -> None:
    """The line names it."""
    commit(clone, {"extra.json": "{}\n"})
    assert_refused(machine, 6, "MODEL.sha256 does not list extra.json")


def test_a_list_that_has_one_file_twice(machine: Machine, clone: Path) -> None:
    """It does not make up for one that it has not; whether the last line has an end is no matter."""
    commit(clone, {"extra.json": "{}\n", "MODEL.sha256": (told(FILES) + told(FILES).splitlines()[0])})
    assert_refused(machine, 6, "MODEL.sha256 does not list extra.json")
    commit(clone, {"MODEL.sha256": told({**FILES, "extra.json": b"{}\n"}).rstrip()})
    assert machine.provision()[0] == 0


@pytest.mark.parametrize("prefix", ["./", ".//", "././", "weights/../"])
def test_a_list_that_has_one_file_under_two_names(machine: Machine, clone: Path, prefix: str) -> None:
    """The count is right then, and a file that nobody listed would be baked."""
    twice = told({f"{prefix}config.json": FILES["config.json"]})
    commit(clone, {"extra.json": "{}\n", "MODEL.sha256": told(FILES) + twice})
    assert_refused(machine, 6, "MODEL.sha256 does not list extra.json")


@pytest.mark.exhaustive
def test_a_list_that_has_a_file_outside_of_the_model(machine: Machine, clone: Path) -> None:
    """No such file is baked."""
    commit(clone, {"MODEL.sha256": told(FILES) + f"{'0' * 64}  /etc/hostname\n"})
    assert_refused(machine, 6, "MODEL.sha256 lists /etc/hostname, which is no file of the model")


@pytest.mark.exhaustive
def test_a_list_may_name_its_files_as_find_does(machine: Machine, clone: Path) -> None:
    """The page's command writes ./config.json; sha256sum given a file's name writes config.json."""
    commit(clone, {"MODEL.sha256": told({f"./{name}": content for name, content in FILES.items()})})
    assert machine.provision()[0] == 0


def two_of_one_name(clone: Path, name: str) -> tuple[str, str]:
    """Make a tag of the first commit and a branch with another one, both of one name; return the commits."""
    first = git(clone, "rev-parse", "HEAD")
    git(clone, "tag", name)
    second = commit(clone, {"config.json": "{ }\n", "MODEL.sha256": told({**FILES, "config.json": b"{ }\n"})})
    git(clone, "push", "--quiet", "origin", f"HEAD:refs/heads/{name}", f"refs/tags/{name}")
    return first, second


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MODEL_COMMIT", "--upload-pack=touch made"),
        ("MODEL_COMMIT", "main"),
        ("MODEL_REPOSITORY", "--upload-pack=touch made"),
        ("MODEL_REPOSITORY", "ext::sh -c touch% made"),
        ("MODEL_REPOSITORY", "https://user:password@example.com/model.git"),
        ("MODEL_TAG", "--upload-pack=touch made"),
        ("MODEL_BRANCH", "-v"),
    ],
)
def test_no_value_becomes_an_option_or_a_command(machine: Machine, variable: str, value: str) -> None:
    """The script judges the values that any caller gives it; what git would run is not run."""
    machine.environment[variable] = value
    assert_refused(machine, 2, variable)
    assert not list(machine.folder.rglob("made"))


def test_branches_that_cannot_be_listed_are_not_taken_for_none(machine: Machine, clone: Path) -> None:
    """Whether there is a tag of the same name is asked, and no answer is not a no."""
    two_of_one_name(clone, "v7")
    machine.environment["MODEL_BRANCH"] = "v7"
    real = shutil.which("git", path=search_path())
    machine.program("git", f'[ "$1" != ls-remote ] || {{ echo lost >&2; exit 128; }}\nexec {real} "$@"')
    assert_refused(machine, 4, "the branches and tags of http://", "lost")


@pytest.mark.parametrize("variable", ["MODEL_BRANCH", "MODEL_TAG"])
def test_a_branch_and_a_tag_of_one_name(machine: Machine, clone: Path, variable: str) -> None:
    """Nobody can say which is meant; git would take the tag, which may be old."""
    two_of_one_name(clone, "v7")
    machine.environment[variable] = "v7"
    assert_refused(machine, 4, "v7 is a branch and a tag of http://", "-var commit=ID")


def test_a_tag_is_baked_where_one_is_named(machine: Machine, clone: Path) -> None:
    """What was baked is written down by its full name and its commit, also where the tag is an object of its own."""
    first = git(clone, "rev-parse", "HEAD")
    git(clone, "tag", "--annotate", "--message", "seven", "v7")
    git(clone, "push", "--quiet", "origin", "refs/tags/v7")
    commit(clone, {"config.json": "{ }\n", "MODEL.sha256": told({**FILES, "config.json": b"{ }\n"})})
    machine.environment["MODEL_TAG"] = "v7"
    ended, out, err = machine.provision()
    assert (ended, err) == (0, "")
    assert out == f"provision: {machine.model} is in place, from commit {first}\n"
    assert f"reference=refs/tags/v7\ncommit={first}\n" in (machine.model / "BUILD").read_text()


def test_a_tag_is_no_branch(machine: Machine, clone: Path) -> None:
    """A name of the other kind is not taken for what was asked for."""
    git(clone, "tag", "v7")
    git(clone, "push", "--quiet", "origin", "refs/tags/v7")
    machine.environment["MODEL_BRANCH"] = "v7"
    assert_refused(machine, 4, "refs/heads/v7 cannot be fetched")


@pytest.mark.exhaustive
def test_a_list_without_a_line(machine: Machine, clone: Path) -> None:
    """A list that says nothing about a file's content fails."""
    commit(clone, {"MODEL.sha256": "".join(f"{name}\n" for name in FILES)})
    assert_refused(machine, 6, "no properly formatted")


def test_a_pointer_that_git_lfs_does_not_resolve(machine: Machine, clone: Path) -> None:
    """A Job would read the pointer's text as its model."""
    mangled = b"version https://git-lfs.github.com/spec/v1\noid lost\n"
    commit(clone, {"weights.txt": mangled, "MODEL.sha256": told({**FILES, "weights.txt": mangled})})
    assert_refused(machine, 6, "./weights.txt is a pointer")


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5000\n"


@pytest.mark.parametrize(
    ("mangled", "code", "words"),
    [
        pytest.param(POINTER.encode("utf-8-sig"), 6, "./weights.txt is a pointer", id="byte order mark"),
        pytest.param(POINTER.encode("utf-16"), 6, "./weights.txt is a pointer", id="UTF-16"),
        pytest.param(f"\n  {POINTER}".encode(), 5, "cannot fetch every file", id="blanks before it"),
        # Git LFS reads two of these as pointers itself.
        pytest.param(POINTER.replace("\n", "\r\n").encode(), 5, "cannot fetch every file", id="CRLF"),
        pytest.param(
            POINTER.replace("v1\n", "v1  \n").encode(), 6, "./weights.txt is a pointer", id="blanks at the end"
        ),
    ],
)
def test_a_pointer_that_an_editor_has_mangled(
    machine: Machine, clone: Path, mangled: bytes, code: int, words: str
) -> None:
    """A Job would read the pointer's text as its model."""
    files: dict[str, bytes | str] = {"weights.txt": mangled, "MODEL.sha256": told({**FILES, "weights.txt": mangled})}
    commit(clone, files, "--no-verify")  # or git-lfs looks for what it points to
    assert_refused(machine, code, words)


@pytest.mark.parametrize(
    ("target", "told_"),
    [
        ("/opt/models/other.bin", "make it relative"),
        ("gone.bin", "no file of the model"),
        ("../../../etc/hostname", "no file of the model"),
        (".git/config", "no file of the model"),
        ("link", "no file of the model"),
    ],
)
def test_a_link_that_leads_nowhere(machine: Machine, clone: Path, target: str, told_: str) -> None:
    """A Job would not find what is behind it, or something that nobody verified."""
    (clone / "link").symlink_to(target)
    commit(clone, {})
    assert_refused(machine, 6, f"./link is a link to {target}", told_)


def test_a_link_inside_the_model(machine: Machine, clone: Path) -> None:
    """It stays one."""
    (clone / "weights/first.bin").symlink_to("part 1.bin")
    commit(clone, {})
    assert machine.provision()[0] == 0
    assert (machine.model / "weights/first.bin").read_bytes() == FILES["weights/part 1.bin"]


def test_a_submodule(machine: Machine, clone: Path) -> None:
    """Half a model is none."""
    git(clone, "update-index", "--add", "--cacheinfo", f"160000,{git(clone, 'rev-parse', 'HEAD')},more/parts")
    git(clone, "commit", "--quiet", "--message", "more")
    git(clone, "push", "--quiet", "origin", "HEAD:main")
    assert_refused(machine, 6, "more/parts is a submodule")


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_name_may_be_of_any_language(machine: Machine, clone: Path, locale: str) -> None:
    """With any locale of the builder, a name is the bytes that it has."""
    files = {**FILES, "modèle/вес.json": b"{}\n"}
    commit(clone, {**files, "MODEL.sha256": told(files)})
    machine.environment["LANG"] = machine.environment["LC_ALL"] = locale
    assert machine.provision()[0] == 0
    assert (machine.model / "modèle/вес.json").read_bytes() == b"{}\n"


@pytest.mark.parametrize("name", ["a\\b.bin", "a\nb.bin", "a\\\udcff.txt"])
def test_a_name_that_no_list_can_have(machine: Machine, clone: Path, name: str) -> None:
    """sha256sum writes such names otherwise than they are."""
    commit(clone, {name: "x"})
    assert_refused(machine, 6, "has a backslash or a control character")


def test_a_disk_that_is_too_small(machine: Machine) -> None:
    """It is known before the first large file is fetched, from what the pointers say."""
    machine.program("df", 'echo "    Avail"; echo 18000')
    assert_refused(machine, 7, "twice that is needed", "larger volume_size")
    assert [path for path in machine.host.served if "/info/lfs/" in path] == []


@pytest.mark.exhaustive
def test_a_model_that_nothing_describes(machine: Machine, clone: Path) -> None:
    """Without checksums nobody can say whether it is whole."""
    git(clone, "rm", "--quiet", "-r", "weights", "MODEL.sha256")
    commit(clone, {"README": "text\n"})
    assert_refused(machine, 6, "sha256sum FILES... > MODEL.sha256")


@pytest.mark.exhaustive
def test_a_model_with_a_file_build(machine: Machine, clone: Path) -> None:
    """It would be written over."""
    commit(clone, {"BUILD": "text\n"})
    assert_refused(machine, 6, "a file BUILD")


def test_a_secret_that_is_not_there(machine: Machine, aws: Recorded) -> None:
    """The line has AWS's own words, and says which right to look at."""
    (machine.bin / "aws").unlink()
    machine.environment |= {"AWS_ENDPOINT_URL": aws.url, "MODEL_SECRET": "nobody"}
    assert_refused(machine, 3, "nobody", "ResourceNotFoundException", "secretsmanager:GetSecretValue")


@pytest.mark.parametrize("text", ["", "None", '{"password": "x"}', '{"token": ""}', "two words"])
def test_a_secret_without_a_token(machine: Machine, text: str) -> None:
    """It is not printed: it may hold something else that is secret."""
    machine.secret_is(text)
    assert_refused(machine, 3, "holds no token")


def test_a_branch_that_is_not_there(machine: Machine) -> None:
    """The line names branch and repository."""
    machine.environment["MODEL_BRANCH"] = "release/8"
    assert_refused(machine, 4, "release/8 cannot be fetched from http://", "couldn't find remote ref")


def test_a_token_that_the_host_does_not_take(machine: Machine) -> None:
    """Nobody is asked for another one."""
    machine.secret_is("ghp_" + "0" * 32)
    assert_refused(machine, 4, "refs/heads/main cannot be fetched", "the token may read the repository")


def test_a_host_that_is_not_the_repositorys_gets_no_token(machine: Machine, clone: Path, tmp_path: Path) -> None:
    """An address for Git LFS that the repository's files name is not trusted with it."""
    with hosted(tmp_path, "other") as other:
        commit(clone, {".lfsconfig": f"[lfs]\n\turl = {other.url}/model.git/info/lfs\n"})
        assert_refused(machine, 5, "Git LFS cannot fetch every file")
        assert other.headers == []


@pytest.mark.parametrize("name", ["MODEL_REPOSITORY", "MODEL_BRANCH", "MODEL_NAME", "MODEL_SECRET", "AWS_REGION"])
def test_a_variable_that_is_not_set(machine: Machine, name: str) -> None:
    """The line names it."""
    del machine.environment[name]
    assert_refused(machine, 2, f"{name} is not set")


@pytest.mark.parametrize(("name", "value"), [("MODEL_NAME", "../etc"), ("MODEL_NAME", ".."), ("MODEL_BRANCH", "-x")])
def test_a_name_that_would_lead_elsewhere(machine: Machine, name: str, value: str) -> None:
    """What is removed and replaced is the model's own folder alone."""
    machine.environment[name] = value
    assert_refused(machine, 2, f"{name} is {value}")


def test_a_program_that_is_missing(machine: Machine, tmp_path: Path) -> None:
    """Where nothing can install it, the line names it."""
    machine.environment["PATH"] = f"{_without_lfs(tmp_path)}:{machine.bin}"
    assert_refused(machine, 2, "there is no git-lfs here")


@pytest.mark.exhaustive
def test_a_program_that_is_missing_is_installed(machine: Machine, tmp_path: Path) -> None:
    """The EKS-optimised AMI has dnf, and no git."""
    machine.environment["PATH"] = f"{machine.bin}:{_without_lfs(tmp_path)}"
    machine.program("dnf", f'echo "$*" > "{tmp_path}/asked"; ln -s "{tool("git-lfs")}" "{machine.bin}/git-lfs"')
    assert machine.provision()[0] == 0
    assert (tmp_path / "asked").read_text() == "install --assumeyes --quiet git git-lfs\n"


def _without_lfs(folder: Path) -> Path:
    """A folder with the system's programs, but no git-lfs and no dnf."""
    (folder / "system").mkdir()
    for place in ("/bin", "/usr/bin"):
        for path in Path(place).iterdir():
            if path.name not in {"git-lfs", "dnf"} and not (folder / "system" / path.name).is_symlink():
                (folder / "system" / path.name).symlink_to(path)
    return folder / "system"


def test_a_place_for_models_that_is_none(machine: Machine) -> None:
    """The source AMI has something else there."""
    machine.root.write_text("")
    assert_refused(machine, 7, f"{machine.root} cannot be written: ", "File exists")


FULL = 'echo "fatal: No space left on device" >&2; exit 1'


@pytest.mark.parametrize(
    ("program", "when", "told"),
    [
        ("git", "init --quiet", "cannot be written"),
        ("git", "remote add", "cannot be written"),
        ("git", "checkout --quiet", "the files cannot be laid out"),
        ("mv", "", "model cannot be put in place"),
    ],
)
def test_a_disk_that_is_full(machine: Machine, program: str, when: str, told: str) -> None:
    """Wherever it fills up, nothing of the model stays."""
    real = shutil.which(program, path=search_path())
    machine.program(program, f'case "$*" in "{when}"*) {FULL} ;; esac\nexec {real} "$@"')
    assert_refused(machine, 7, told, "No space left on device")


def test_git_lfs_that_does_not_work(machine: Machine) -> None:
    """That is one line too, with its words."""
    machine.program(
        "git-lfs", 'case "$1" in ls-files) echo broken >&2; exit 2 ;; esac\nexec ' + f'{tool("git-lfs")} "$@"'
    )
    assert_refused(machine, 5, "Git LFS cannot say which files are in it: broken")


@pytest.mark.exhaustive
def test_files_that_git_lfs_is_not_to_fetch_by_itself(machine: Machine, clone: Path) -> None:
    """A repository may say so to keep clones small; the image gets them all the same."""
    commit(clone, {".lfsconfig": "[lfs]\n\tfetchexclude = *\n"})
    assert machine.provision()[0] == 0
    assert (machine.model / "weights/part 2.bin").read_bytes() == FILES["weights/part 2.bin"]


def test_a_build_that_is_stopped(machine: Machine) -> None:
    """Token and clone are removed then, too."""
    asked, released = threading.Event(), threading.Event()

    def pause() -> None:
        asked.set()
        released.wait(120)

    machine.host.pause = pause
    process = machine.start()
    try:
        assert asked.wait(120)
        assert traces(machine) != []
        os.killpg(process.pid, signal.SIGTERM)
        _, err = process.communicate()
    finally:
        released.set()
    assert process.returncode == 128 + signal.SIGTERM, err
    assert traces(machine) == []
    assert list(machine.root.iterdir()) == []

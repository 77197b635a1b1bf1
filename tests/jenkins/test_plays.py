"""What happens to a rollout when Jenkins does what it does: the Jenkinsfile and its shell lines, played for real.

Agents are folders with processes; builds run the Jenkinsfile's own Groovy; the cluster is simulated.
"""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli import pages
from tests.e2e.conftest import Worlds, world
from tests.e2e.proving import broken
from tests.e2e.simulated import empty_database
from tests.jenkins.agents import GONE, Agent, Task
from tests.jenkins.groovy import ROOT
from tests.jenkins.jenkins import Build, Jenkins
from tests.postgres import PASSWORD

__all__ = ["world"]

# The slowest takes a minute, and more where others work beside it.
pytestmark = pytest.mark.timeout(300)

#: A terminate of the drain, before it is applied.
IN_DRAIN = {"match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 1}, "hang": {"when": "before"}}
#: Where the Jenkinsfile finds the journal's password.
CREDENTIAL = "rollout-journal"
SMALL = str(Path(__file__).with_name("small.yaml"))
#: Exit codes: it may be started again; another rollout, or another runner, is at work.
INTERRUPTED, TAKEN = 75, 76
#: Seconds after which Jenkins gives an agent up that is gone.
OFFLINE = 300.0
FOLLOWED = "it is followed from here"

#: Another account than that of the simulated cluster.
ACCOUNT = "210987654321"
#: Stands for Packer, which takes a real EC2: it says what it was given, and leaves the manifest of the world's image.
PACKER = """#!/bin/sh
case $1 in
version) echo "Packer v1.11.2" ;;
build)
    echo "$@" >&2
    cat >manifest.json <<end
{{"builds": [{{"packer_run_uuid": "1", "artifact_id": "eu-west-1:{ami}"}}], "last_run_uuid": "1"}}
end
    ;;
esac
"""

#: Where the journal is.
BOTH = pytest.mark.parametrize("site", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def site(
    request: pytest.FixtureRequest, world: Worlds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Jenkins]:
    """A controller in front of a small cluster; the journal is on a server, or in a file outside of all agents."""
    simulated = world(SMALL)
    jenkins = Jenkins(simulated, tmp_path / "jenkins", {CREDENTIAL: PASSWORD}, simulated.database)
    shutil.copytree(ROOT / "packer", jenkins.repository / "packer")
    jenkins.tools.mkdir()
    (jenkins.tools / "packer").write_text(PACKER.format(ami=simulated.ami), encoding="utf-8")
    (jenkins.tools / "packer").chmod(0o755)
    config = (simulated.directory / "rollout.yaml").read_text(encoding="utf-8")
    if getattr(request, "param", "sqlite") == "postgres":
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        url = empty_database(simulated, request.getfixturevalue("postgres"))
        assert simulated.rollout("db", "upgrade", "--database", url).code == 0
        config = config.replace(simulated.database, url)
        jenkins.url = url
    (jenkins.repository / "rollout.yaml").write_text(config, encoding="utf-8")
    yield jenkins
    jenkins.end()


@pytest.mark.exhaustive
def test_an_agent_that_is_removed_is_replaced(site: Jenkins) -> None:
    """Its processes are killed and its disk is gone: on another agent the same key goes on with the same rollout."""
    build = worked(site)
    build.agents[-1].remove()
    site.world.release()
    assert build.ended() == "SUCCESS", build.log
    assert "took over from process" in build.log
    assert "RESTORE → DONE" in build.artifacts["events.txt"]
    assert broken(site.world, site.url) == {}


@pytest.mark.exhaustive
def test_what_packer_built_is_what_is_rolled_out(site: Jenkins) -> None:
    """From checkout to evidence, each on an agent of its own: built, verified, shared with its key, on all nodes."""
    build = site.build(7, ACCOUNT=ACCOUNT, BRANCH="release/7")
    assert build.ended() == "SUCCESS", build.log
    assert "-var=branch=release/7 " in build.log
    assert "-var=jenkins_build=jenkins-models-roll out-7 " in build.log
    assert f"{site.world.ami}: shared with {ACCOUNT}" in build.log
    assert f"grant eks-rollout/{site.world.ami}/{ACCOUNT}" in build.log
    assert f"2 nodes replaced by {site.world.ami}" in build.log
    assert {*build.artifacts} == {"manifest.json", "status.txt", "events.txt", "report.html", "rollout.jsonl"}
    assert pages.read(build.artifacts["report.html"]).faults == []
    shared = [one["seq"] for one in site.world.get("/log") if one["object"].startswith(("grant/", "permission/"))]
    assert broken(site.world, site.url, since=max(shared)) == {}


@pytest.mark.exhaustive
@BOTH
def test_who_lives_on_without_jenkins_is_followed(site: Jenkins) -> None:
    """The agent is lost, its process is not: the second one follows it, both end well, and nothing is done twice."""
    build, first = stopped(site)
    build.agents[-1].lose()
    build.says(FOLLOWED)
    first.signal(signal.SIGCONT)
    assert build.ended() == "SUCCESS", build.log
    assert (first.ended(), build.tasks[-2].status) == (0, 0)
    assert broken(site.world, site.url) == {}
    assert PASSWORD not in f"{build.log}{build.artifacts}"


@pytest.mark.exhaustive
@pytest.mark.parametrize("site", ["postgres"], indirect=True)
def test_who_comes_back_after_minutes_changes_nothing(site: Jenkins) -> None:
    """An agent is offline for more than five minutes and given up; what ran there wakes up to exit 76."""
    build, first = stopped(site)
    gone = site.world.get("/time")["now"]
    for client in site.world.get("/clients"):
        site.world.post(f"/clients/{client}/absent")
    build.agents[-1].lose()
    assert build.ended() == "SUCCESS", build.log
    assert "whose lease ended at" in build.log
    assert site.world.get("/time")["now"] - gone > OFFLINE
    before = site.world.get("/log")
    first.signal(signal.SIGCONT)
    assert first.ended() == TAKEN, first.log
    assert site.world.get("/log") == before
    assert broken(site.world, site.url) == {}


@pytest.mark.exhaustive
def test_an_abort_stops_the_rollout_in_order(site: Jenkins) -> None:
    """Though nobody answers it, it ends with 75 before Jenkins gives up; nothing is retried; RESUME goes on with it."""
    build = worked(site)
    build.abort()
    assert build.ended() == "ABORTED", build.log
    assert build.tasks[-2].status == INTERRUPTED
    assert worked_on(build) == 1
    assert "interrupted" in build.artifacts["events.txt"]
    site.world.release()
    resumed = site.build(8, RESUME=build.key)
    assert resumed.ended() == "SUCCESS", resumed.log
    assert "phase     DONE" in resumed.artifacts["status.txt"]
    assert broken(site.world, site.url) == {}


@pytest.mark.exhaustive
def test_an_abort_that_reaches_nobody_leaves_a_rollout_that_the_next_build_names(site: Jenkins) -> None:
    """No signal comes: the next build is refused with 76 and says how to go on, which the one after it does."""
    build, first = stopped(site)
    build.agents[-1].reachable = False
    build.abort()
    assert build.ended() == "ABORTED", build.log
    refused = site.build(8, AMI=site.world.ami)
    assert refused.ended() == "FAILURE", refused.log
    (rollout_id,) = re.findall(r"next: rollout resume (\S+)", refused.log)
    assert (worked_on(refused), f"exit code {TAKEN}" in refused.text) == (1, True)
    resumed = site.build(9, RESUME=rollout_id)
    resumed.says(FOLLOWED)
    first.signal(signal.SIGCONT)
    assert resumed.ended() == "SUCCESS", resumed.log
    assert first.ended() == 0
    assert broken(site.world, site.url) == {}


@pytest.mark.exhaustive
def test_a_restart_of_the_controller_is_not_noticed_by_what_runs(site: Jenkins) -> None:
    """The script goes on, its output is picked up again where it stands, and nobody is started a second time."""
    build = worked(site)
    build.controller_restarts()
    site.world.release()
    assert build.ended() == "SUCCESS", build.log
    assert worked_on(build) == 1
    assert broken(site.world, site.url) == {}


@pytest.mark.exhaustive
def test_a_restart_of_the_controller_in_a_step_that_it_cuts_is_retried(site: Jenkins) -> None:
    """Before the rollout was begun: the stage starts again on another agent, and there is one rollout in the end."""
    build = site.build(7, AMI=site.world.ami)
    build.controller_restarts("Rollout")
    assert build.ended() == "SUCCESS", build.log
    assert len(build.agents) == len(("checkout", "rollout", "rollout", "evidence"))
    assert worked_on(build) == 1
    assert broken(site.world, site.url) == {}


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (lambda agent: agent.tasks[-1].signal(signal.SIGKILL), 128 + signal.SIGKILL),
        (lambda agent: agent.tasks[-1].signal(signal.SIGTERM), INTERRUPTED),
        (lambda agent: agent.reboot(), GONE),
    ],
    ids=["killed", "stopped", "rebooted"],
)
def test_what_ends_by_itself_unfinished_is_started_again(
    site: Jenkins, ended: Callable[[Agent], None], code: int
) -> None:
    """Killed, asked to stop by anybody but Jenkins, or rebooted: the same command a minute later, on the same agent."""
    build = worked(site)
    first = build.tasks[-1]
    ended(build.agents[-1])
    site.world.release()
    assert build.ended() == "SUCCESS", build.log
    assert first.status == code
    assert (worked_on(build), len(build.agents), build.steps.count("sleep")) == (2, 3, 1)
    assert broken(site.world, site.url) == {}


@pytest.mark.exhaustive
def test_a_halt_is_left_to_a_person(site: Jenkins) -> None:
    """Exit 1 is not retried; the build says how to go on, and a build that does so, with the key, comes to the end."""
    refused = {"status": 403, "code": "AccessDenied"}
    site.world.post("/faults", {"match": {"operation": "TerminateInstanceInAutoScalingGroup"}, "error": refused})
    build = site.build(7, AMI=site.world.ami)
    assert build.ended() == "FAILURE", build.log
    assert worked_on(build) == 1
    assert "exit code 1" in build.text
    assert "halted" in build.artifacts["status.txt"]
    site.world.release()
    assert site.build(8, RESUME=build.key).ended() == "SUCCESS"
    assert broken(site.world, site.url) == {}


@pytest.mark.exhaustive
def test_a_pause_outlives_an_agent(site: Jenkins) -> None:
    """What another agent starts again lifts none, in a build with RESUME neither; the next such build does."""
    build = worked(site)
    paused_and_lost(site, build)
    assert "paused since " in build.artifacts["status.txt"]
    more = ("extend", "--config", "rollout.yaml", "--by", "3h")
    assert site.world.rollout(*more).code == 0
    site.world.post("/faults", IN_DRAIN)
    resumed = site.build(8, RESUME=build.key)
    site.world.get("/hung")
    paused_and_lost(site, resumed)
    assert "stays paused: this command was given before (--once jenkins-models-roll out-8)" in resumed.log
    assert site.build(9, RESUME=build.key).ended() == "SUCCESS"
    assert broken(site.world, site.url).keys() <= {10}  # it took hours more


@pytest.mark.exhaustive
def test_a_build_that_is_repeated_under_its_number_does_nothing(site: Jenkins) -> None:
    """Its rollout is done already: exit 0, and not a change."""
    assert site.build(7, AMI=site.world.ami).ended() == "SUCCESS"
    before = site.world.get("/log?actor=client:")
    again = site.build(7, AMI=site.world.ami)
    assert again.ended() == "SUCCESS", again.log
    assert "is done already" in again.log
    assert site.world.get("/log?actor=client:") == before


def worked(site: Jenkins) -> Build:
    """Start a build and return when its rollout stands in the drain, in a request that is not answered."""
    site.world.post("/faults", IN_DRAIN)
    build = site.build(7, AMI=site.world.ami)
    site.world.get("/hung")
    return build


def paused_and_lost(site: Jenkins, build: Build) -> None:
    """Pause the rollout that a build works on, and remove its agent: the build fails when the next one has waited."""
    assert site.world.rollout("pause", "--config", "rollout.yaml").code == 0
    build.agents[-1].remove()
    site.world.release()
    assert build.ended() == "FAILURE", build.log
    assert len(build.agents) > 1
    assert "exit code 1" in build.text


def stopped(site: Jenkins) -> tuple[Build, Task]:
    """Start a build and stop its rollout in the drain: it stands still, as on an agent cut off, until SIGCONT."""
    build = worked(site)
    build.tasks[-1].signal(signal.SIGSTOP)
    site.world.release()
    return build, build.tasks[-1]


def worked_on(build: Build) -> int:
    """How often a rollout was begun or gone on with."""
    return len(re.findall(r"^\+ exec rollout (?:start|resume) ", build.log, flags=re.MULTILINE))

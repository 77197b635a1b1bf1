"""What happens to a rollout when Jenkins does what it does: the Jenkinsfile and its shell lines, played for real.

Agents are folders with processes; builds run the Jenkinsfile's own Groovy; the cluster is simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Worlds, world
from tests.e2e.proving import broken
from tests.e2e.simulated import empty_database
from tests.jenkins.jenkins import Jenkins
from tests.postgres import PASSWORD

__all__ = ["world"]

#: A terminate of the drain, before it is applied.
IN_DRAIN = {"match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 1}, "hang": {"when": "before"}}
#: Where the Jenkinsfile finds the journal's password.
CREDENTIAL = "rollout-journal"
SMALL = str(Path(__file__).with_name("small.yaml"))
FOLLOWED = "it is followed from here"

Site = Callable[..., Jenkins]


@pytest.fixture
def site(
    request: pytest.FixtureRequest, world: Worlds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Jenkins]:
    """A controller in front of a small cluster; the journal is on a server, or in a file outside of all agents."""
    simulated = world(SMALL)
    jenkins = Jenkins(simulated, tmp_path / "jenkins", {CREDENTIAL: PASSWORD}, simulated.database)
    jenkins.repository.mkdir(parents=True)
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


def test_an_agent_that_is_removed_is_replaced(site: Jenkins) -> None:
    """Its processes are killed and its disk is gone: on another agent the same key goes on with the same rollout."""
    site.world.post("/faults", IN_DRAIN)
    build = site.build(7, AMI=site.world.ami)
    site.world.get("/hung")
    build.agents[-1].remove()
    site.world.release()
    assert build.ended() == "SUCCESS", build.log
    assert broken(site.world, site.url) == {}

"""A controller that plays builds: the Jenkinsfile's own Groovy decides, what it asks for happens on played agents."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tests.e2e.simulated import PATIENCE, ROLLOUT, Simulated, environment
from tests.jenkins.agents import LOOK, Agent, Task
from tests.jenkins.groovy import JENKINSFILE, command

#: Seconds of real time that Jenkins waits after an abort's signal.
GRACE = 20.0


@dataclass
class Jenkins:
    """A controller in front of a simulated cluster. What lies in `repository` is what `checkout scm` brings."""

    world: Simulated
    folder: Path
    #: Secret texts by their ids.
    credentials: Mapping[str, str]
    #: The journal that the configuration in the repository names.
    url: str = ""
    builds: list[Build] = field(default_factory=list)

    @property
    def repository(self) -> Path:
        """The folder that stands for the repository."""
        return self.folder / "repository"

    @property
    def tools(self) -> Path:
        """The folder of programs that each agent has in addition to its system's and rollout."""
        return self.folder / "tools"

    def build(self, number: int, **parameters: str) -> Build:
        """Start a build and return at once."""
        build = Build(self, number, parameters)
        self.builds.append(build)
        return build

    def agent(self) -> Agent:
        """Return a new agent: rollout is on its PATH, and it may do in AWS and Kubernetes what the world allows."""
        number = sum(len(build.agents) for build in self.builds)
        more = {**self.world.environment, "PATH": f"{self.tools}:{ROLLOUT.parent}:{os.defpath}"}
        return Agent(self.folder / f"agent-{number}", environment(self.folder, more))

    def end(self) -> None:
        """End all builds and agents, in any state."""
        for build in self.builds:
            build.end()


class Failure(Exception):
    """How Jenkins sees that a step failed: the kinds of play.groovy."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Build:
    """One build. What the Jenkinsfile asks for is done in a thread, while the test does what happens to it."""

    def __init__(self, jenkins: Jenkins, number: int, parameters: Mapping[str, str]) -> None:
        self._jenkins = jenkins
        self.agents: list[Agent] = []
        self.artifacts: dict[str, str] = {}
        #: The steps that were asked for, in order.
        self.steps: list[str] = []
        self.result, self.text = "", ""
        self._stashes: dict[str, dict[str, bytes]] = {}
        self._aborted = Event()
        self._restarted = Event()
        self._restarts_in = ""
        self._env = _of_jenkins(number)
        given = {"env": self._env, "params": dict(parameters)}
        self._groovy = subprocess.Popen(
            command("play.groovy", str(JENKINSFILE), json.dumps(given)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._thread = Thread(target=self._play, daemon=True)
        self._thread.start()

    def ended(self) -> str:
        """Wait for the end; return its result: SUCCESS, FAILURE or ABORTED."""
        self._thread.join(PATIENCE)
        assert self.result, f"stuck after {PATIENCE} s in {self.steps}\n{self.log}"
        return self.result

    def abort(self) -> None:
        """Do what the red button does."""
        self._aborted.set()

    def controller_restarts(self, stage: str = "") -> None:
        """Restart the controller, now or in that stage: scripts are looked at again, the next other step is lost."""
        if stage:
            self._restarts_in = stage
        else:
            self._restarted.set()

    @property
    def key(self) -> str:
        """Under which the Jenkinsfile starts its rollout."""
        return f"{self._env['JOB_NAME']}/{self._env['BUILD_NUMBER']}"

    def says(self, text: str) -> None:
        """Wait until a script has printed this."""
        while text not in self.log:
            assert self._thread.is_alive(), self.log
            self._aborted.wait(LOOK)

    @property
    def tasks(self) -> list[Task]:
        """All scripts, in the order of their agents."""
        return [task for agent in self.agents for task in agent.tasks]

    @property
    def log(self) -> str:
        """What all scripts have printed, as far as their agents are still there."""
        return "".join(task.log for task in self.tasks)

    def end(self) -> None:
        """Kill the build and what runs on its agents."""
        self._groovy.kill()
        self._thread.join()
        for agent in self.agents:
            agent.end()

    def _play(self) -> None:
        with self._groovy as groovy:
            assert groovy.stdin
            for line in groovy.stdout or ():
                groovy.stdin.write(json.dumps(self._answer(json.loads(line))) + "\n")
                groovy.stdin.flush()

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        step = question.pop("step")
        self.steps.append(step)
        if "agent" in question:
            question["agent"] = self.agents[question["agent"]]
        try:
            return {"value": getattr(self, f"_{step}")(**question)}
        except Failure as failure:
            return {"failure": failure.kind, "text": str(failure)}

    def _stage(self, name: str, **_: object) -> None:
        if name == self._restarts_in:
            self._restarted.set()

    def _node(self, label: str, **_: object) -> int:
        assert label == "rollout"
        self.agents.append(self._jenkins.agent())
        return len(self.agents) - 1

    def _deleteDir(self, agent: Agent) -> None:  # noqa: N802  the step's name
        self._on(agent)
        for one in agent.workspace.iterdir():
            shutil.rmtree(one) if one.is_dir() else one.unlink()

    def _checkout(self, agent: Agent) -> None:
        self._on(agent)
        shutil.copytree(self._jenkins.repository, agent.workspace, dirs_exist_ok=True)

    def _stash(self, name: str, includes: str, agent: Agent) -> None:
        self._on(agent)
        files = [
            file for part in includes.split(",") for file in agent.workspace.glob(_pattern(part)) if file.is_file()
        ]
        self._stashes[name] = {str(file.relative_to(agent.workspace)): file.read_bytes() for file in files}

    def _unstash(self, name: str, agent: Agent) -> None:
        self._on(agent)
        if name not in self._stashes:
            raise Failure("error", f"No such saved stash '{name}'")
        for path, content in self._stashes[name].items():
            (agent.workspace / path).parent.mkdir(parents=True, exist_ok=True)
            (agent.workspace / path).write_bytes(content)

    def _archiveArtifacts(self, artifacts: str, agent: Agent, **_: object) -> None:  # noqa: N802  the step's name
        self._on(agent)
        self.artifacts |= {file.name: file.read_text(encoding="utf-8") for file in agent.workspace.glob(artifacts)}

    def _credential(self, name: str, **_: object) -> str:
        return self._jenkins.credentials[name]

    def _sleep(self, **_: object) -> None:
        """Take no time: the world's clock goes on by itself."""

    def _end(self, result: str, text: str) -> None:
        self.result, self.text = result, text

    def _on(self, agent: Agent) -> None:
        """Fail as a step does that is not made to survive what happens to its agent or to the controller."""
        if agent.lost.is_set():
            raise Failure("agent", "the agent is gone")
        if self._restarted.is_set():
            self._restarted.clear()
            raise Failure("nonresumable", "the controller was restarted")

    def _sh(self, script: str, env: Mapping[str, str], agent: Agent) -> int:
        self._on(agent)
        task = agent.run(script, env)
        while task.status is None:
            if agent.lost.is_set():
                raise Failure("agent", "the agent was removed")
            if self._aborted.is_set():
                self._interrupt(task, agent)
            if self._restarted.is_set():
                self._restarted.clear()
                task = Task(task.control)  # all that a controller knows of it after a restart
            agent.lost.wait(LOOK)
        return task.status

    def _interrupt(self, task: Task, agent: Agent) -> None:
        """Send the signal of an abort, wait as long as Jenkins does, and fail the step in any case."""
        self._aborted.clear()
        if agent.reachable:
            task.signal(signal.SIGTERM)
            for _ in range(int(GRACE / LOOK)):
                if task.status is not None:
                    break
                agent.lost.wait(LOOK)
        raise Failure("interrupted", "aborted")


def _of_jenkins(number: int) -> dict[str, str]:
    """Return what Jenkins sets in the environment of a build."""
    return {
        "JOB_NAME": "models/roll out",
        "BUILD_NUMBER": str(number),
        "BUILD_TAG": f"jenkins-models-roll out-{number}",
        "BUILD_URL": f"https://ci.example/job/models/job/roll%20out/{number}/",
    }


def _pattern(ant: str) -> str:
    """Return an Ant pattern as pathlib has it: there, two stars at the end find folders alone."""
    return ant.strip().replace("/**", "/**/*")

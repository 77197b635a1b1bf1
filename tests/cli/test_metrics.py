"""The metrics of a rollout: what they say, where they are to be read, and that a rollout goes on without them."""

from __future__ import annotations

import os
import socket
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rollout.cli.monitoring import telling
from rollout.config import Metrics, Notify
from rollout.engine.runner import Progress
from rollout.journal import SqlJournal
from rollout.model.decision import Advance, Halt, Move
from rollout.model.machine import Phase, Stage, onward
from rollout.model.reasons import Reason
from tests.cli import samples

#: A sample's name and labels, and its value.
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

#: How a file of ours begins.
OLDER = "# HELP eks_rollout_phase 1 for the phase\n"
OF_ROLLOUT = {"cluster": "eks-demo", "rollout": samples.ID}


def parsed(text: str) -> Samples:
    """The samples of a text, by Prometheus's own parser."""
    found = [one for family in text_string_to_metric_families(text) for one in family.samples]
    samples_by_name = {(one.name, tuple(sorted(one.labels.items()))): one.value for one in found}
    assert len(samples_by_name) == len(found)
    return samples_by_name


def value(found: Samples, name: str, **labels: str) -> float | None:
    """The value of a sample of this rollout; None where there is none."""
    return found.get((f"eks_rollout_{name}", tuple(sorted((OF_ROLLOUT | labels).items()))))


def wanted(settings: Metrics) -> telling.Wanted:
    """What a configuration with these metrics wants."""
    return telling.Wanted(settings, Notify())


def run(journal: SqlJournal, settings: Metrics, *ticks: Callable[[], None], minute: float = 60) -> None:
    """Tell monitoring of the rollout as it stands, and after each of these ticks."""

    def now() -> datetime:
        return samples.after(minute)

    with telling.told(wanted(settings), journal, samples.ID, now, lambda _: None) as tell:
        tell(Progress(journal.load(samples.ID), "anything"))
        for tick in ticks:
            tick()
            tell(Progress(journal.load(samples.ID), "anything"))


def written(folder: Path, journal: SqlJournal, *ticks: Callable[[], None], minute: float = 60) -> Samples:
    """What stands in the file at the end."""
    file = folder / "rollout.prom"
    run(journal, Metrics(textfile=str(file)), *ticks, minute=minute)
    return parsed(file.read_text(encoding="utf-8"))


def test_the_file_says_how_the_rollout_stands(tmp_path: Path) -> None:
    """Phase, nodes by stage, last sign of life, killed Jobs, the deadline as Unix time, and that nothing is halted."""
    found = written(tmp_path, samples.draining(tmp_path))
    assert {phase: value(found, "phase", phase=phase.value) for phase in Phase} == {
        phase: float(phase is Phase.DRAIN) for phase in Phase
    }
    stages = {stage: value(found, "nodes", stage=stage.value) for stage in Stage}
    assert stages == {stage: float(stage in {Stage.WAITING, Stage.DRAINING}) for stage in Stage}
    assert value(found, "last_sign_of_life_timestamp_seconds") == samples.after(60).timestamp()
    assert value(found, "drain_deadline_timestamp_seconds") == samples.after(127).timestamp()
    assert value(found, "killed_jobs") == 0
    assert value(found, "halted", reason="") == 0


def test_old_nodes_that_an_abort_lets_stay_are_counted(tmp_path: Path) -> None:
    """As `rollout status` counts them; the nodes that must go are others then."""
    journal = samples.draining(tmp_path)
    plan = replace(journal.load(samples.ID).plan, direction="back")
    turn = Advance("aborted", Phase.LAUNCH_TEMPLATE, plan=plan, turns=True)
    journal.advance(samples.ID, turn, None, samples.after(20))
    journal.intend(samples.ID, (), [Move("i-1", "keep"), Move("i-2", "keep")], (), (), samples.after(20))
    found = written(tmp_path, journal)
    stages = {stage: value(found, "nodes", stage=stage.value) for stage in Stage}
    assert stages == {stage: 2.0 * (stage is Stage.KEPT) for stage in Stage}


def test_before_the_drain_there_is_no_deadline(tmp_path: Path) -> None:
    """What does not apply yet is left out: a deadline of 0 would have passed long ago."""
    journal = samples.begun(tmp_path)
    found = written(tmp_path, journal)
    assert value(found, "phase", phase="PLANNED") == 1
    assert not [name for name, _ in found if "deadline" in name]


def test_a_halt_has_its_reason(tmp_path: Path) -> None:
    """From the halt on; once it is resumed, no sample of it is left."""
    journal = samples.draining(tmp_path)

    def halt() -> None:
        journal.halt(samples.ID, Halt(Reason.POD_DOES_NOT_END, "stuck", "look"), samples.after(50))

    found = written(tmp_path, journal, halt)
    assert value(found, "halted", reason="PodDoesNotEnd") == 1
    assert value(found, "halted", reason="") is None
    found = written(tmp_path, journal, lambda: journal.resume(samples.ID, None, samples.after(51)))
    assert [labels for name, labels in found if name == "eks_rollout_halted"] == [
        tuple(sorted((OF_ROLLOUT | {"reason": ""}).items()))
    ]


def test_the_last_state_stays(tmp_path: Path) -> None:
    """What happens in the last tick, after which the run ends, is in the file too, and stays there."""
    journal, file = samples.draining(tmp_path), tmp_path / "rollout.prom"
    with telling.told(
        wanted(Metrics(textfile=str(file))), journal, samples.ID, lambda: samples.after(60), lambda _: None
    ) as tell:
        tell(Progress(journal.load(samples.ID), ""))
        for _ in range(2):
            journal.advance(
                samples.ID, Advance("it holds", onward(journal.load(samples.ID).phase)), None, samples.after(9)
            )
    assert value(parsed(file.read_text()), "phase", phase="DONE") == 1


def test_the_number_of_samples_does_not_grow(tmp_path: Path) -> None:
    """Labels have values of fixed sets; nodes, pods and images are in none of them."""
    found = written(tmp_path, samples.draining(tmp_path))
    assert len(found) == len(Phase) + len(Stage) + 4
    assert {name for _, labels in found for name, _ in labels} == {"cluster", "rollout", "phase", "stage", "reason"}


def test_the_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Another user may read it, under any umask; who has it open reads on; nothing else is left in the folder."""
    folder = tmp_path / "textfile"
    folder.mkdir()
    file = folder / "rollout.prom"
    file.write_text(f"{OLDER}before\n")
    journal, before = samples.draining(tmp_path), os.umask(0o077)
    try:
        with file.open(encoding="utf-8") as reader:
            run(journal, Metrics(textfile=str(file)))
            assert reader.read() == f"{OLDER}before\n"
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(folder.iterdir()) == [file]


def test_a_file_that_cannot_be_written_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, however many ticks there are."""
    file = tmp_path / "nowhere/rollout.prom"
    run(samples.draining(tmp_path), Metrics(textfile=str(file)), lambda: None, lambda: None)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: the metrics are not up to date")
    assert f"{file} cannot be written: there is no folder {file.parent}" in line


def test_a_folder_in_the_files_place_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is left alone, and nothing that was written beside it stays."""
    file = tmp_path / "textfile/rollout.prom"
    file.mkdir(parents=True)
    run(samples.draining(tmp_path), Metrics(textfile=str(file)), lambda: None)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{file} is a folder" in line
    assert list(file.parent.iterdir()) == [file]


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_prometheus_can_read_them(tmp_path: Path) -> None:
    """On the address of the settings, each time as they are now, while the process runs and no longer."""
    journal, port, read = samples.draining(tmp_path), free_port(), []

    def look() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            read.append(parsed(answer.read().decode()))
        journal.halt(samples.ID, Halt(Reason.POD_DOES_NOT_END, "stuck", "look"), samples.after(50))

    run(journal, Metrics(listen=f"127.0.0.1:{port}"), look, look)
    assert [value(one, "halted", reason="PodDoesNotEnd") for one in read] == [None, 1]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_an_address_that_cannot_be_had_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    """Somebody else listens there, or there is no such host: the rollout goes on, and the file is written."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"{host}:{taken.getsockname()[1]}"
        file = tmp_path / "rollout.prom"
        run(samples.draining(tmp_path), Metrics(textfile=str(file), listen=address), lambda: None)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: nobody can read metrics on {address}: ")
    assert file.exists()


def test_a_library_that_is_missing_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older installation that was updated without its dependencies still runs rollouts."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "rollout.cli.monitoring.metrics", raising=False)
    run(samples.draining(tmp_path), Metrics(textfile=str(tmp_path / "rollout.prom")), lambda: None)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: the metrics are not up to date: import of prometheus_client halted")


def test_a_reader_that_says_nothing_holds_nobody_up(tmp_path: Path) -> None:
    """A connection that stays silent neither keeps other readers out nor the process from its end."""
    journal, port = samples.draining(tmp_path), free_port()
    silent: list[socket.socket] = []

    def look() -> None:
        silent.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert parsed(answer.read().decode())

    run(journal, Metrics(listen=f"127.0.0.1:{port}"), look)
    silent[0].close()

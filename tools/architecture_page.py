"""Writes docs/architecture.md: the layers from the import contracts, what holds in which phase from the machine.

Usage: python tools/architecture_page.py FILE. A test holds that the page in the repository is what this writes.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from rollout.model import machine
from rollout.model.machine import Phase

ROOT = Path(__file__).parent.parent
HEAD = """\
# How the code is built

<!-- Written by `make docs` from pyproject.toml, rollout/model/machine.py and tools/architecture_page.py. -->

The code that decides is pure: it gets values and returns values. Other code reads the world, writes the journal and
sends requests. [glossary.md](glossary.md) explains the terms, and [phases.md](phases.md) has each phase and stage.

## Layers

A module imports only from layers below its own. The contracts in `pyproject.toml` say so, and `make contracts` checks
them. This picture is drawn from them.

The simulator in `eks_simulator/` is a package beside `rollout/`, in the same wheel. Neither imports the other: the
command line starts the simulator as a process, and speaks to it over HTTP. At run time no imports form a
circle: `tests/test_imports.py` checks that.
"""
FLOWS = """\
## One tick

`Runner.run` in `rollout/engine/runner.py` is the only loop. A start and a resume run the same code.

```mermaid
flowchart TD
    load["load the record from the journal"] --> observe["observe: what the phase needs to see"]
    observe --> missing["is anything of ours missing? then look again"]
    missing --> settle["settle: which effects does the world show?"]
    settle --> unclear
    subgraph pure["decide_tick: one pure function"]
        unclear["is an effect unclear for too long?"] --> drift["did somebody change what we set?"]
        drift --> phase["what does the phase decide?"]
        phase --> sendable["what of that may be sent now?"]
        sendable --> protecting["has what protects lost it? put it back first"]
        protecting --> believed["did earlier observations say the same?"]
        believed --> soften["with taint_early: soften the taint before a halt"]
        soften --> again["what of that may be sent now?"]
    end
    again --> act["Act: intents, requests, receipts"]
    again --> advance["Advance: enter the next phase"]
    again --> wait["Wait"]
    again --> halt["Halt: a person must act"]
    act --> load
    advance --> load
    wait --> load
```

`decide_tick` is in `rollout/engine/tick.py`. The runner, the doctor and the tests ask it, and nobody else puts its
steps together. What earlier observations said goes in as a value, and comes out as a value.

`PHASES` in `rollout/phases/__init__.py` has a row for each phase. The row says what decides, what it needs to see, and
its deadline. In DRAIN, `STAGES` in `rollout/stages/__init__.py` does the same for each node that must go.

## One effect

An effect is a frozen record of one request that changes something. Its `key` is unique in a rollout.

1. A phase or a stage decides on it.
2. `sift` leaves it out if it may not be sent yet. An older request may still be on its way, or a pause may not be over.
3. The journal saves it as `intended`, with an event, in one transaction.
4. `engine/send.py` makes one call of a port. The fence checks the request as it leaves.
5. The journal saves the receipt as an attempt. The state is then `unknown`, `not_sent`, `not_applied`, `blocked` or
   `rejected`. After a yes it stays `intended`: a reply proves nothing.
6. A later tick asks the effect whether the world shows it (`landed`). If it does, the state is `done`. If it certainly
   does not, the state is `not_applied`, and the effect may be sent again.

If the process dies between two of these steps, the next one starts at step 6. It knows the effect from step 3.

An effect answers for itself: what it leaves of its group, who loses a pod by it, whether it can be taken back. Nobody
else has to know which kinds there are. A new kind touches at most its record in `rollout/model/effects/`, the union
`Effect`, an arm of `engine/send.py` and a verb of a port. `tests/core/test_effects.py` and
`tests/journal/test_new_kind.py` hold that.

## One takeover

1. The runner renews its lease in every transaction. It trusts the lease for less time than the lease lasts.
2. A runner that dies, or is cut off, renews no more. Its fence closes when the trust ends, so it sends no more changes.
3. When the lease has ended, another process acquires it, with the next epoch.
4. The journal refuses each later transaction of the first runner: its epoch is not the newest.
5. A request that the first runner sent may still arrive. During the takeover delay nothing is terminated and no Job is
   killed. What was not answered is not given back either until it can no longer arrive.
6. From then on it is a tick like any other: settle, decide, send.
"""
HOLDS = """\
## What holds from which phase to which

Each of these is one line in `rollout/model/machine.py`. Code, doctor and database take it from there. The simulator's
judge knows no phases: it judges by what happens in its world.

| name | from | to | what holds |
|---|---|---|---|"""
NEW_PHASE = """\
## To add a phase

This was tried with a phase that waits between READY and DRAIN. Five files change:

| file | what |
|---|---|
| `rollout/model/machine.py` | the name, and its row in the table of moves |
| `rollout/phases/NAME.py` | `decide`, and a docstring that says when it ends and what RESTORE gives back |
| `rollout/phases/__init__.py` | its row: `decide`, what it needs to see, its deadline |
| `tests/core/test_machine.py` | its row in the table of what holds; the test fails until it is there |
| `docs/phases.md` | written by `make docs` |

A setting of its own adds `rollout/config/`, `rollout/model/plan.py`, a handler in `rollout/formats/versions.py` for
older plans, and `docs/configuration.md`. The new phase's own tests come on top.

No other set of phases is kept by hand. The phase before it is not changed: `advance` asks the table which phase comes
next, and stores the drain deadline if that is DRAIN. The journal needs no migration: a phase is stored by its name.
"""


def page() -> str:
    """Return the whole page."""
    return f"{HEAD}\n{_layers()}\n{FLOWS}\n{_what_holds()}\n{NEW_PHASE}"


def _layers() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers")
    lines = [f'    layer{number}["{layer}"]' for number, layer in enumerate(layers)]
    lines += [f"    layer{number} --> layer{number + 1}" for number in range(len(layers) - 1)]
    (apart,) = (one["modules"] for one in contracts if one["type"] == "independence")
    commands = layers.index("cli")
    lines += [f'    layer{commands} -. "starts as a process" .-> {name}' for name in apart if name != "rollout"]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```\n"])


def _what_holds() -> str:
    return HOLDS + "".join(f"\n{row}" for row in _rows()) + "\n"


def _rows() -> Iterator[str]:
    source = (ROOT / "rollout/model/machine.py").read_text(encoding="utf-8")
    for comment, name in re.findall(r"((?:^#: .*\n)+)^([A-Z_]+) = between\(", source, flags=re.MULTILINE):
        phases = [phase.value for phase in Phase if phase in vars(machine)[name]]
        text = " ".join(line.removeprefix("#: ") for line in comment.splitlines())
        yield f"| `{name}` | {phases[0]} | {phases[-1]} | {text} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")

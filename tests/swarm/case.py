"""A case: a scenario, and what is done to the runners on it. Its file is the scenario's, and any simulator reads it.

What concerns the runners alone stands in a comment on the first line; the simulator passes it by.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_HEAD = "# swarm: "


@dataclass(frozen=True, slots=True)
class Act:
    """What happens to one run of the command line, at the point of that number.

    `do`: kill, stop, two at once, or a command of the operator's: pause, extend, abort,
    skip or force.
    `stop`: another run is started then, and the first is woken when that one has been at it for a while.
    `lasts`: simulated seconds of a pause, or of more time. `then`: an option of abort; or, where Jobs may be killed by
    the end of a pause, extend or --kill-now.
    """

    do: str
    at: int = 0
    lasts: int = 0
    then: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """`world`: the scenario's document; `images`: what each rollout, one after the other, moves the nodes to.

    `acts`: what happens to the runs of the command line, one after the other; those after them are left alone.
    `engine`: of the journal. On a server a runner that was stopped is taken over from; a file's lock it keeps.
    """

    seed: int
    world: Mapping[str, Any]
    images: tuple[str, ...]
    acts: tuple[Act, ...] = ()
    engine: str = "sqlite"

    def evolve(self, **changes: Any) -> Case:
        """Return this case with changes."""
        return replace(self, **changes)

    def text(self) -> str:
        """Return the file that says all of it."""
        acts = [asdict(act) for act in self.acts]
        head = {"seed": self.seed, "images": self.images, "acts": acts, "engine": self.engine}
        file = io.StringIO()
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = None
        yaml.width = 118
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
        yaml.dump(dict(self.world), file)
        return f"{_HEAD}{json.dumps(head)}\n{file.getvalue()}"


def read(path: Path) -> Case:
    """Read a case from its file."""
    text = path.read_text("utf-8")
    first = text.partition("\n")[0]
    head = json.loads(first.removeprefix(_HEAD))
    world = YAML(typ="safe", pure=True).load(text)
    acts = tuple(Act(**act) for act in head["acts"])
    return Case(head["seed"], world, tuple(head["images"]), acts, head["engine"])

"""docs/protection.md says what is protected."""

from __future__ import annotations

import re
from pathlib import Path

from eks_simulator.wellknown import PRESETS as JUDGED
from rollout.model.presets import PRESETS, THROUGH

PAGE = (Path(__file__).parent.parent / "docs/protection.md").read_text(encoding="utf-8")


def test_the_page_names_what_each_preset_names() -> None:
    """Every preset with its kinds and labels, and no other; the simulator's judge goes by the same."""
    rows = re.findall(r"^\| `([\w-]+)` \|(.*)\|(.*)\|$", PAGE, flags=re.MULTILINE)
    told = {name: tuple(tuple(re.findall(r"[\w./-]+", cell)) for cell in cells) for name, *cells in rows}
    assert told == {name: (preset.kinds, preset.labels) for name, preset in PRESETS.items()}
    assert told == {name: tuple(preset) for name, preset in JUDGED.items()}


def test_the_page_names_which_kinds_control_no_pods() -> None:
    """Each with the kind that does, and no other."""
    rows = re.findall(r"^\| ([\w-]+\.[\w.-]+) \| ([\w.-]+) \|$", PAGE, flags=re.MULTILINE)
    assert dict(rows) == THROUGH

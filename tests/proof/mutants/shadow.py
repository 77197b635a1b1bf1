"""The project once more, in another folder: every file a link to the real one, but a single file that differs."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


def shadow(folder: Path, file: str, text: str) -> None:
    """Lay the project out in `folder`, with this text in place of one file."""
    real = PROJECT
    for name in Path(file).parts:
        _link(real, folder, but=name)
        real, folder = real / name, folder / name
    folder.write_text(text, encoding="utf-8")


def _link(real: Path, folder: Path, but: str) -> None:
    folder.mkdir(exist_ok=True)
    for there in real.iterdir():
        # A cache of compiled files that both shared would let the fault into the project.
        if there.name not in {but, "__pycache__"} and not there.name.startswith("."):
            (folder / there.name).symlink_to(there)

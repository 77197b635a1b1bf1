"""The process: the command line, with signals heard before the first library is loaded."""

from __future__ import annotations

import gc
import sys

from rollout.cli import stopping


def main() -> None:
    """Run the command line."""
    stopping.hear()
    gc.disable()  # nothing that is being loaded is garbage, and to look for some is a part of the start
    try:
        from rollout.cli import app

        gc.enable()
        app.main()
    except stopping.Stopped as stopped:  # while libraries were loaded, or after the last word
        from rollout.cli import output
        from rollout.errors import RESUMABLE

        stopping.ignore()
        output.prepare()
        print(f"rollout: {stopped.problem}\n  next: run the same command again", file=sys.stderr)  # noqa: T201
        sys.exit(output.ended(RESUMABLE))


if __name__ == "__main__":
    main()

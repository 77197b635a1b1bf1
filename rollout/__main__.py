"""The process: the command line, with signals heard before the first library is loaded."""

from __future__ import annotations

import gc

from rollout.cli import stopping


def main() -> None:
    """Run the command line."""
    stopping.leave_when_asked()
    gc.disable()  # nothing that is being loaded is garbage, and to look for some is a part of the start
    from rollout.cli import app

    gc.freeze()
    gc.set_threshold(50_000)  # commands load more, late; the usual 700 would look at all of that again and again
    gc.enable()
    app.main()


if __name__ == "__main__":
    main()

"""`python -m rollout`: the command line, for a process that starts another with the interpreter that it has."""

from __future__ import annotations

from rollout.cli.app import main

if __name__ == "__main__":
    main()

"""The face of the clock: the time in a file of eight bytes, which clients map into their memory.

It shows the virtual clock's now at every instant, so that a look at it is no request: as processes read the kernel's
clock from a page that it shares with them. Half of what clients asked the simulator was the time.
"""

from __future__ import annotations

import mmap
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from eks_simulator.clock import VirtualClock


@contextmanager
def shown(clock: VirtualClock, path: Path) -> Iterator[None]:
    """Have the file show the time inside the block: one C double of this machine, POSIX seconds (UTC).

    It is a new file, and gone after the block; who has mapped it before goes on to see the last moment.
    """
    path.unlink(missing_ok=True)
    path.write_bytes(bytes(8))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 8) as memory, memoryview(memory).cast("d") as face:
        clock.show_on(face)
        try:
            yield
        finally:
            clock.show_on([0.0])
            path.unlink(missing_ok=True)

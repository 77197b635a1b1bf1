"""What goes wrong in the world by itself, until it is repaired.

A trouble holds what was about to happen (a node joining, a node becoming Ready, a pod going away) and lets it
happen when the trouble ends, so that a repaired world goes on as if it had only been slow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from eks_simulator.fields import Duration, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eks_simulator.clock import VirtualClock

Kind = Literal["never_joins", "never_ready", "shortage", "stuck_pod", "stuck_volume", "subnet_full"]


class WorldFault(Part):
    """What goes wrong, until the moment `until` or a `mend`.

    never_joins, never_ready: the next `launches` instances of `group`; shortage, subnet_full: EC2 has no capacity,
    or no free address, for `group` in those `zones` (none named: in all); stuck_pod: terminating pods whose
    `namespace/name` begins with `pod` stay; stuck_volume: the volumes of such pods stay attached after them.
    """

    kind: Kind
    group: str | None = None
    pod: str | None = None
    zones: tuple[str, ...] = ()
    launches: int = Field(default=1, ge=1)
    until: Duration | None = None

    @model_validator(mode="after")
    def _object_named(self) -> WorldFault:
        needed = "pod" if self.kind in ("stuck_pod", "stuck_volume") else "group"
        if getattr(self, needed) is None:
            raise ValueError(f"{self.kind} needs {needed!r}")
        return self


class _Trouble:
    """One fault that is going on, with what it holds back."""

    def __init__(self, fault: WorldFault, held: Iterable[Callable[[], None]]) -> None:
        self.fault = fault
        self.left = fault.launches if fault.group else None
        self.held = list(held)

    def strikes(self, kind: Kind, victim: str) -> bool:
        fault = self.fault
        named = victim == fault.group if fault.group else victim.startswith(str(fault.pod))
        return kind == fault.kind and named and self.left != 0

    def hold(self, what: Callable[[], None]) -> None:
        self.held.append(what)
        if self.left is not None:
            self.left -= 1


class Troubles:
    """All faults of the world that are going on."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._active: list[_Trouble] = []

    def begin(self, fault: WorldFault, until: float | None, *held: Callable[[], None]) -> None:
        """Let the fault strike from now until `until` (POSIX seconds); what is `held` happens when it ends."""
        trouble = _Trouble(fault, held)
        self._active.append(trouble)
        if until is not None:
            self._clock.at(until, lambda: self._end(trouble))

    def mend(self, kind: Kind | None, victim: str | None) -> None:
        """End the faults of that kind on that group or pod (`None`: of all)."""
        for trouble in list(self._active):
            if kind in (None, trouble.fault.kind) and victim in (None, trouble.fault.group, trouble.fault.pod):
                self._end(trouble)

    def unless(self, kind: Kind, victim: str, happen: Callable[[], None]) -> None:
        """Let it happen now, or, when a fault of that kind strikes the victim, as soon as that fault ends."""
        for trouble in self._active:
            if trouble.strikes(kind, victim):
                trouble.hold(happen)
                return
        happen()

    def _end(self, trouble: _Trouble) -> None:
        if trouble in self._active:
            self._active.remove(trouble)
            for happen in trouble.held:
                self._clock.after(0, happen)

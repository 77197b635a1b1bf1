"""A kind of effect that only the codec and this module know goes through the journal and the caution of stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from rollout.formats import codec
from rollout.journal import SqlJournal
from rollout.model.effects import Base, Effect, Killed
from rollout.model.effects.base import Landed
from rollout.model.observation import Observation
from tests.journal.samples import ID, intend, settle

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Reboot(Base):
    """A new kind: its record says all that others ask."""

    harms: ClassVar[bool] = True

    kind: Literal["reboot"] = "reboot"
    node: str

    @property
    def target(self) -> str:
        return self.node

    @property
    def irreversible(self) -> bool:
        return True

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"boot of {self.node}": "another"}

    def describe(self) -> str:
        return f"reboot {self.node}: at once"

    def victims(self) -> tuple[Killed, ...]:
        return (Killed("demo/algo", "demo/algo-1", "uid-1", self.node),)

    def landed(self, seen: Observation) -> Landed:
        return seen is None


def test_a_new_kind_needs_nothing_of_the_journal(journal: SqlJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is saved, told in its own words, settled, and who lost a pod by it stands in the ledger."""
    wider: TypeAdapter[Any] = TypeAdapter(Annotated[Effect | Reboot, Field(discriminator="kind")])
    monkeypatch.setattr(codec, "_effect", lambda: wider)
    reboot: Any = Reboot(node="o1")
    intend(journal, reboot)
    assert [row.effect for row in journal.load(ID).unsettled] == [reboot]
    settle(journal, reboot)
    record = journal.load(ID)
    assert (record.did(Reboot), record.written, record.unsettled) == (True, {}, ())
    told = [event.text for event in journal.events(ID)]
    assert "intended: reboot o1: at once" in told
    assert [(one.job, one.pod, one.node) for one in journal.killed(ID)] == [("demo/algo", "demo/algo-1", "o1")]

"""What holds of a group after any requests, in any order."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eks_simulator.cloud.errors import AwsError
from eks_simulator.cloud.model import Hook

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.cloud.cloud import Cloud
    from tests.simulator.aws.conftest import Account

Step = tuple[str, Any]

STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("desired"), st.integers(0, 8)),
    st.tuples(st.just("bounds"), st.tuples(st.integers(0, 8), st.integers(0, 8))),
    st.tuples(st.just("terminate"), st.tuples(st.integers(0, 9), st.booleans())),
    st.tuples(st.just("lose"), st.integers(0, 9)),
    st.tuples(st.just("warn"), st.integers(0, 9)),
    st.tuples(st.just("rebalance"), st.booleans()),
    st.tuples(st.just("standby"), st.tuples(st.integers(0, 9), st.booleans())),
    st.tuples(st.just("refresh"), st.none()),
    st.tuples(st.just("hook"), st.sampled_from(["launching", "terminating"])),
    st.tuples(st.just("protect"), st.tuples(st.integers(0, 9), st.booleans())),
    st.tuples(st.just("suspend"), st.sampled_from(["Launch", "Terminate", "AZRebalance", "HealthCheck"])),
    st.tuples(st.just("resume"), st.sampled_from(["Launch", "Terminate", "AZRebalance", "HealthCheck"])),
    st.tuples(st.just("pass"), st.integers(1, 200)),
)


def take(account: Account, step: Step) -> None:
    """One step; what AWS refuses changes nothing."""
    what, how = step
    with suppress(AwsError, IndexError):
        if what == "pass":
            account.run(how)
        elif what in ON_ONE:
            ON_ONE[what](account, list(account.group.instances), how)
        else:
            ON_GROUP[what](account.cloud, how)


ON_ONE: dict[str, Callable[[Account, list[str], Any], object]] = {
    "terminate": lambda account, ids, how: account.cloud.terminate_in_group(ids[how[0]], decrement=how[1]),
    "lose": lambda account, ids, how: account.cloud.spot_loss(ids[how]),
    "warn": lambda account, ids, how: account.cloud.spot_warning(ids[how]),
    "standby": lambda account, ids, how: account.cloud.enter_standby("workers", [ids[how[0]]], decrement=how[1]),
    "protect": lambda account, ids, how: account.cloud.set_protection("workers", [ids[how[0]]], protected=how[1]),
    "hook": lambda account, _, how: account.group.hooks.update({how: Hook(how, how, 300.0, "CONTINUE")}),
    "refresh": lambda account, *_: account.cloud.scaling.refreshes.start(account.group),
}

ON_GROUP: dict[str, Callable[[Cloud, Any], object]] = {
    "desired": lambda cloud, how: cloud.set_desired("workers", how),
    "bounds": lambda cloud, how: cloud.update_group("workers", MinSize=how[0], MaxSize=how[1]),
    "rebalance": lambda cloud, how: cloud.update_group("workers", CapacityRebalance=how),
    "suspend": lambda cloud, how: cloud.suspend("workers", [how]),
    "resume": lambda cloud, how: cloud.resume("workers", [how]),
}


def spared(account: Account) -> set[str]:
    """The instances that were protected and InService when AWS itself began to end them, and were healthy."""
    protected, wrong, lost = set(), set(), set()
    for change in account.log.changes:
        match change.field, change.after:
            case "ProtectedFromScaleIn", True:
                protected.add(change.object)
            case "ProtectedFromScaleIn", False:
                protected.discard(change.object)
            case "State", "shutting-down":
                lost.add(change.object)
            case "LifecycleState", "Terminating" if change.before == "InService" and change.actor == "world":
                wrong |= {change.object} & (protected - lost)
    return wrong


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=25))
def test_group_stays_in_bounds_and_settles_at_desired(make: type[Account], steps: list[Step]) -> None:
    """Desired stays in its bounds, the protected are never chosen, and in the end as many live as desired, evenly."""
    account = make()
    for step in steps:
        with account.log.acting("world" if step[0] == "pass" else "client", step[0], 1):
            take(account, step)
        group = account.group
        assert group.min_size <= group.desired <= group.max_size
    assert spared(account) == set()
    account.cloud.update_group("workers", MaxSize=50)
    account.cloud.resume("workers")
    account.run(10)
    parked = [one.id for one in account.group.instances.values() if one.lifecycle == "Standby"]
    account.cloud.exit_standby("workers", parked)
    account.cloud.set_protection("workers", in_service(account), protected=False)
    account.run(4 * 3600)  # a refresh of eight, one after the other, each held up by two hooks
    zones = Counter(one.zone for one in account.group.living)
    assert account.lifecycles() == ["InService"] * account.group.desired
    assert max(zones.values(), default=0) - min(zones[zone] for zone in account.group.zones) <= 1


def in_service(account: Account) -> list[str]:
    return [one.id for one in account.group.living if one.lifecycle == "InService"]

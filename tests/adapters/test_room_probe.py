"""For what AWS has room, as EC2 and Service Quotas answer."""

from __future__ import annotations

import pytest

from rollout.adapters import Edge
from rollout.errors import Denied
from rollout.ports import RoomProbe
from tests.adapters.living import Living


@pytest.fixture
def room(edge: Edge) -> RoomProbe:
    return edge.room


def test_free_addresses_are_those_of_the_subnets_that_exist(room: RoomProbe) -> None:
    """One that does not exist takes no other with it, however many are asked for."""
    many = [f"subnet-{number}" for number in range(250)]
    found = room.addresses([*many, "subnet-eu-west-1a", "subnet-eu-west-1b"])
    assert set(found) == {"subnet-eu-west-1a", "subnet-eu-west-1b"}
    assert sum(found.values()) == 2 * 4091 - 13
    assert room.addresses([]) == {}


def test_a_type_tells_its_vcpus(room: RoomProbe) -> None:
    """One that the region has not is left out."""
    assert room.vcpus(["m5.large", "x9.large"]) == {"m5.large": 2}


def test_what_runs_is_counted_by_type_and_market(room: RoomProbe, world: Living) -> None:
    """Spot instances by themselves; one that has ended does not count."""
    assert room.running() == {("m5.2xlarge", False): 13}
    instances = list(world.simulator.world.cloud.instances.values())
    world.do(lambda: setattr(instances[0], "spot", True))
    world.do(lambda: setattr(instances[1], "state", "terminated"))
    assert room.running() == {("m5.2xlarge", False): 11, ("m5.2xlarge", True): 1}


def test_a_quota_is_a_number_or_not_there(room: RoomProbe, world: Living) -> None:
    """What the account has no value of is None; what we may not ask is refused."""
    assert room.quota("L-1216C47A") == 1152
    assert room.quota("L-00000000") is None
    world.fault({"error": {"status": 400, "code": "AccessDeniedException"}}, service="servicequotas")
    with pytest.raises(Denied, match="GetServiceQuota: AccessDeniedException"):
        room.quota("L-1216C47A")

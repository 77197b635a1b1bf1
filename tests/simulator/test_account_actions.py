"""What a scenario can say of the account, and what somebody can do to it while it runs."""

from __future__ import annotations

from typing import Any

import pytest

from eks_simulator.cloud.errors import AwsError
from eks_simulator.world.world import World
from tests.simulator.worlds import NEW, OLD, Client, passes, world

GROUP: dict[str, Any] = {"name": "g", "template": "lt", "min": 1, "desired": 2, "max": 4}


@pytest.fixture
def quiet() -> World:
    """Two nodes and nothing on them."""
    return world()


def made(**group: Any) -> World:
    """A world whose one group has these fields too."""
    return world(groups=[{**GROUP, **group}])


def test_a_groups_fields_are_those_of_the_file() -> None:
    """Hooks, pool, tags, unit, suspended processes and Capacity Rebalancing are there from the start."""
    hook = {
        "name": "drain",
        "transition": "terminating",
        "heartbeat": "5m",
        "result": "CONTINUE",
        "completes": "1m..2m",
    }
    one = made(
        hooks=[{**hook, "completes": "1m..2m"}],
        warm_pool={"size": 3, "state": "Running"},
        tags={"team": "batch"},
        unit="vcpu",
        suspended=["AZRebalance"],
        capacity_rebalance=True,
    )
    group = one.cloud.groups["g"]
    assert [(found.heartbeat, found.result, tuple(found.completes or ())) for found in group.hooks.values()] == [
        (300.0, "CONTINUE", (60.0, 120.0))
    ]
    assert group.warm_pool is not None
    assert (group.warm_pool.size, group.warm_pool.state) == (3, "Running")
    assert {key: tag.value for key, tag in group.tags.items()} == {"kubernetes.io/cluster/c": "owned", "team": "batch"}
    assert (group.capacity_type, sorted(group.suspended), group.capacity_rebalance) == ("vcpu", ["AZRebalance"], True)


def test_nodes_in_standby_stand_beside_those_desired() -> None:
    """They are nodes of the cluster, and their group does not count them."""
    one = made(standby=1)
    group = one.cloud.groups["g"]
    assert [instance.lifecycle for instance in group.instances.values()] == ["InService", "InService", "Standby"]
    assert len(one.store.list("nodes")) == 3


def test_a_refresh_can_be_under_way_from_the_start() -> None:
    """It replaces what is older than the scenario's start."""
    one = made(refreshing=True)
    assert [refresh.status for refresh in one.cloud.groups["g"].refreshes] == ["InProgress"]
    passes(one, 1200)
    assert [refresh.status for refresh in one.cloud.groups["g"].refreshes] == ["Successful"]


def test_images_have_an_architecture_a_state_and_a_volume() -> None:
    """As the file says, with a snapshot of that size behind each."""
    arm = {"id": OLD, "name": "old", "architecture": "arm64", "root_size": 50}
    new = {"id": NEW, "name": "new", "state": "pending"}
    templates = [{"name": "lt", "versions": [{"image": OLD, "instance_type": "m7g.large", "root_size": 80}]}]
    one = world(images=[arm, new], templates=templates)
    image = one.cloud.images[OLD]
    assert (image.architecture, one.cloud.snapshots[image.snapshot].size) == ("arm64", 50)
    assert one.cloud.images[NEW].state == "pending"
    (template,) = one.cloud.templates
    assert template.version(1).data["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 80
    assert {node["metadata"]["labels"]["kubernetes.io/arch"] for node in one.store.list("nodes")} == {"arm64"}


def test_weights_images_and_markets_of_a_policy_are_those_of_the_file() -> None:
    """Overrides and distribution in the API's form."""
    override = {"instance_type": "m5.large", "weight": 2, "image": NEW}
    one = made(mixed={"overrides": [override], "base": 1, "percentage": 50})
    assert one.cloud.groups["g"].mixed == {
        "Overrides": [{"InstanceType": "m5.large", "WeightedCapacity": "2", "ImageId": NEW}],
        "InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 50},
    }


def test_a_version_by_somebody_else_is_made_of_the_newest(quiet: World) -> None:
    """Only what is named differs, and the log says whose it is."""
    quiet.do({"do": "new_version", "template": "lt", "image": NEW})
    (template,) = quiet.cloud.templates
    assert (template.latest, template.version(2).image, template.version(2).source) == (2, NEW, 1)
    assert template.version(2).data["InstanceType"] == template.version(1).data["InstanceType"]
    assert quiet.log.changes[-1].verb == "event new_version"


def test_the_default_is_moved(quiet: World) -> None:
    """To a version that exists; any other is refused."""
    quiet.do({"do": "new_version", "template": "lt", "instance_type": "m5.4xlarge"})
    quiet.do({"do": "set_default", "template": "lt", "version": "$Latest"})
    assert [template.default for template in quiet.cloud.templates] == [2]
    with pytest.raises(AwsError, match="Could not find the specified version 9"):
        quiet.do({"do": "set_default", "template": "lt", "version": "9"})


def test_a_version_is_deleted_and_its_number_is_not_used_again(quiet: World) -> None:
    """The default one stays; the newest one that exists is the latest, and launches fail of a number that is gone."""
    quiet.do({"do": "new_version", "template": "lt", "image": NEW})
    quiet.do(
        {"do": "update_group", "group": "g", "fields": {"LaunchTemplate": {"LaunchTemplateName": "lt", "Version": "2"}}}
    )
    quiet.do({"do": "delete_version", "template": "lt", "version": "2"})
    (template,) = quiet.cloud.templates
    assert (template.latest, template.numbers) == (1, [1])
    quiet.do({"do": "update_group", "group": "g", "fields": {"DesiredCapacity": 3}})
    passes(quiet, 60)
    assert "Could not find the specified version 2" in quiet.cloud.activities.of("g")[0].message
    quiet.do({"do": "new_version", "template": "lt"})
    assert template.numbers == [1, 3]
    with pytest.raises(AwsError, match="default version"):
        quiet.do({"do": "delete_version", "template": "lt", "version": "1"})


def test_a_template_is_deleted_under_its_group(quiet: World) -> None:
    """The group goes on naming it, and its launches fail."""
    quiet.do({"do": "delete_template", "template": "lt"})
    assert list(quiet.cloud.templates) == []
    quiet.do({"do": "update_group", "group": "g", "fields": {"DesiredCapacity": 3}})
    passes(quiet, 60)
    assert "does not exist" in quiet.cloud.activities.of("g")[0].message
    with pytest.raises(AwsError, match="does not exist"):
        quiet.do({"do": "delete_template", "template": "lt"})


def test_a_group_is_deleted_by_force(quiet: World) -> None:
    """Its instances end, and it is listed with a status until the last is gone; until then nobody can change it."""
    quiet.do({"do": "delete_group", "group": "g"})
    group = quiet.cloud.groups["g"]
    assert {one.lifecycle for one in group.instances.values()} == {"Terminating"}
    with pytest.raises(AwsError, match="is pending delete"):
        quiet.do({"do": "delete_group", "group": "g"})
    passes(quiet, 300)
    assert (group.deleted, group.instances) == (True, {})
    assert quiet.store.list("nodes") == []
    with pytest.raises(AwsError, match="not found"):
        quiet.do({"do": "update_group", "group": "g", "fields": {"DesiredCapacity": 3}})


def test_an_instance_goes_to_standby_and_comes_back(quiet: World) -> None:
    """Desired follows both ways, and the node stays."""
    quiet.do({"do": "enter_standby", "group": "g", "which": 1})
    passes(quiet, 60)
    group = quiet.cloud.groups["g"]
    assert ([one.lifecycle for one in group.instances.values()], group.desired) == (["InService", "Standby"], 1)
    quiet.do({"do": "exit_standby", "group": "g"})
    passes(quiet, 60)
    assert ([one.lifecycle for one in group.instances.values()], group.desired) == (["InService", "InService"], 2)
    assert len(quiet.store.list("nodes")) == 2


def test_a_warned_instance_is_taken_after_a_while(quiet: World) -> None:
    """The node goes with it, and another one comes."""
    first = Client(quiet).old()[0]
    quiet.do({"do": "spot_warning", "group": "g", "after": "5m"})
    passes(quiet, 299)
    assert first.alive
    passes(quiet, 600)
    assert not first.alive
    assert len(quiet.cloud.groups["g"].living) == len(quiet.store.list("nodes")) == 2


def test_a_refresh_is_started_and_cancelled(quiet: World) -> None:
    """What it has not replaced by then stays."""
    quiet.do({"do": "start_refresh", "group": "g"})
    quiet.do({"do": "cancel_refresh", "group": "g"})
    passes(quiet, 600)
    assert [one.status for one in quiet.cloud.groups["g"].refreshes] == ["Cancelled"]
    assert quiet.cloud.groups["g"].launches == 2


def test_a_scheduled_action_needs_its_process(quiet: World) -> None:
    """Suspended it is skipped and says so, resumed it sets the sizes."""
    due = {"do": "scheduled_action", "group": "g", "fields": {"MinSize": 2, "DesiredCapacity": 3}}
    quiet.do({"do": "processes", "group": "g", "processes": ["ScheduledActions"]})
    with pytest.raises(ValueError, match="ScheduledActions is suspended on g"):
        quiet.do(due)
    quiet.do({"do": "processes", "group": "g", "on": True})
    quiet.do(due)
    assert (quiet.cloud.groups["g"].min_size, quiet.cloud.groups["g"].desired) == (2, 3)


@pytest.mark.parametrize("kind", ["shortage", "subnet_full"])
def test_a_fault_in_one_zone_leaves_the_others(quiet: World, kind: str) -> None:
    """Launches go elsewhere until the fault ends."""
    quiet.do({"do": "break", "kind": kind, "group": "g", "zones": ["eu-west-1b"]})
    quiet.do({"do": "update_group", "group": "g", "fields": {"DesiredCapacity": 4}})
    passes(quiet, 300)
    assert sorted(one.zone[-1] for one in quiet.cloud.groups["g"].living) == ["a", "a", "a", "b"]
    quiet.do({"do": "mend", "kind": kind})
    passes(quiet, 1)
    assert quiet.cloud.groups["g"].short == {}

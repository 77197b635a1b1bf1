"""What Auto Scaling chooses: the zone of the next instance, and who goes on scale-in. Pure; ties end in a fixed order.

Source: Amazon EC2 Auto Scaling user guide, "Default termination policy" and "Distribution across Availability Zones".
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eks_simulator.cloud.model import Group, Instance


def counts(group: Group) -> dict[str, int]:
    """Return how many living instances each of the group's zones holds."""
    found = Counter(instance.zone for instance in group.living)
    return {zone: found[zone] for zone in group.zones}


def zones_for_launch(group: Group) -> list[str]:
    """Return the group's zones, those with the fewest living instances first; of equals, the first in its own order."""
    return sorted(group.zones, key=counts(group).__getitem__)


def victim(living: Sequence[Instance], most: int, *, spare: bool = True) -> Instance | None:
    """Return who goes next: from the fullest zone with one unprotected, of the oldest version, by id; None: nobody.

    Nobody goes who counts for more than `most`; without `spare` protection counts for nothing.
    """
    held = Counter(instance.zone for instance in living)
    free = [one for one in living if one.weight <= most and not (spare and one.spared)]
    return min(free, key=lambda one: (-held[one.zone], one.version, one.id), default=None)


def zone_to_fill(group: Group) -> str | None:
    """Return the zone in which AZRebalance launches one more, None while nothing is to gain.

    Zones count as uneven when they differ by more than one, and only an unprotected instance can make room.
    """
    held = counts(group)
    low, high = min(held.values()), max(held.values())
    if high - low <= 1:
        return None
    removable = any(held.get(one.zone) == high and not one.spared for one in group.living)
    return min(group.zones, key=held.__getitem__) if removable else None

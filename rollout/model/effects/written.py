"""What our own settled effects left of a group's fields: from it, what stands there now is told to be ours or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Written:
    """What one effect leaves, or several of them one after the other; each field None until one has changed it.

    `found_maximum`: the MaxSize that stood there when we wrote another one, and was not ours: the baseline's, or what
    somebody had made of it.
    `suspended`, `resumed`: the processes that the last request of ours for them suspended, or resumed.
    `protection`: by instance, whether the last request of ours for it protected it; `found_protected`: those whose
    protection was not ours, for our first request took it off.
    """

    minimum: int | None = None
    desired: int | None = None
    maximum: int | None = None
    found_maximum: int | None = None
    protect_new: bool | None = None
    capacity_rebalance: bool | None = None
    suspended: frozenset[str] = frozenset()
    resumed: frozenset[str] = frozenset()
    protection: Mapping[str, bool] = field(default_factory=dict)
    found_protected: frozenset[str] = frozenset()

    def then(self, later: Written) -> Written:
        """Return what is left once what is later is settled too."""
        return Written(
            minimum=self.minimum if later.minimum is None else later.minimum,
            desired=self.desired if later.desired is None else later.desired,
            maximum=self.maximum if later.maximum is None else later.maximum,
            found_maximum=(self.found_maximum if later.found_maximum in {None, self.maximum} else later.found_maximum),
            protect_new=self.protect_new if later.protect_new is None else later.protect_new,
            capacity_rebalance=(
                self.capacity_rebalance if later.capacity_rebalance is None else later.capacity_rebalance
            ),
            suspended=(self.suspended - later.resumed) | later.suspended,
            resumed=(self.resumed - later.suspended) | later.resumed,
            protection={**self.protection, **later.protection},
            found_protected=self.found_protected | (later.found_protected - self.protection.keys()),
        )

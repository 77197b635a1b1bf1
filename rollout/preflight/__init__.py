"""Before the first effect: look once, then either a plan or all the reasons why there is none."""

from __future__ import annotations

from rollout.model.plan import Settings
from rollout.preflight import protection
from rollout.preflight.making import make_plan, up_to_date
from rollout.preflight.survey import Request, Survey, survey
from rollout.preflight.warnings import warnings
from rollout.preflight.warnings.autoscaler import told as autoscaler_off


def told(found: Survey, settings: Settings) -> tuple[str, ...]:
    """Say what everybody must know who begins this rollout: who is protected, and how long nothing is scaled."""
    return (*protection.told(found, settings), *autoscaler_off(found, settings))


__all__ = ["Request", "Survey", "autoscaler_off", "make_plan", "survey", "told", "up_to_date", "warnings"]

"""Before the first effect: look once, then either a plan or all the reasons why there is none."""

from __future__ import annotations

from rollout.preflight.cautions import cautions
from rollout.preflight.making import make_plan, up_to_date
from rollout.preflight.protection import told
from rollout.preflight.survey import Request, Survey, survey

__all__ = ["Request", "Survey", "cautions", "make_plan", "survey", "told", "up_to_date"]

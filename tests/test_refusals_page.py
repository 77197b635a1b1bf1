"""What the pages say of refusals and rights is what is looked for."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

from rollout.model.plan import Autoscaler
from rollout.preflight.rights import optional, rights
from tests.core.build import SETTINGS

ROOT = Path(__file__).parent.parent


def test_the_page_of_refusals_is_up_to_date() -> None:
    """docs/refusals.md is what `make docs` writes."""
    spec = importlib.util.spec_from_file_location("refusals_page", ROOT / "tools/refusals_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs/refusals.md").read_text(encoding="utf-8") == module.page()


def test_the_readme_asks_for_the_rights_that_are_looked_for() -> None:
    """Every verb of the README's table on the cluster, and no other, is asked of Kubernetes."""
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("In the cluster:\n")[2].partition("\n\n[")[0]
    told = set()
    for resource, verbs in re.findall(r"^\| (\w.*?) \| (\w.*) \|$", table.partition("\n\nBefore")[0], re.MULTILINE)[1:]:
        name = "deployments" if "Deployment" in resource else re.split(r"[ ,]", resource)[0]
        plain, _, eviction = verbs.partition("; ")
        told |= {f"{verb} {name}" for verb in re.findall(r"get|list|watch|patch|create|delete", plain)}
        told |= {"create pods/eviction"} if eviction else set()
    settings = replace(SETTINGS, on_deadline="job", autoscaler=Autoscaler("kube-system", "cluster-autoscaler"))
    asked = (*rights(settings), *(right for need in optional(settings) for right in need.rights))
    # Everybody may ask what there is: the README's reader has no need to know of it.
    assert {f"{right.verb} {right.resource}" for right in asked if not right.resource.startswith("/")} == told

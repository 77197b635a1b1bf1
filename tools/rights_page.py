"""Writes docs/rights-kubernetes.md from the table of rights in rollout/preflight/rights.py.

Usage: python tools/rights_page.py FILE. A test holds that the page in the repository is what this writes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from rollout.config import Config
from rollout.preflight.rights import Need, optional, required

HEAD = """\
# Rights in the cluster

<!-- Written by `make docs` from rollout/preflight/rights.py. Change that, not this page. -->

This page lists the rights that a rollout uses on Kubernetes. [access.yaml](../deploy/kubernetes/access.yaml) grants
them. [access-to-jobs.yaml](../deploy/kubernetes/access-to-jobs.yaml) grants what one setting needs in addition.

Before its first effect, `rollout start` asks the API server for each right (SelfSubjectAccessReview).

- A missing **required** right blocks the start. All of them are printed at once. - A missing **optional** right is a
warning, which says what is not checked. So a newer version of the tool still starts on a cluster with the rights of an
older one.

Rights on AWS are in [rights.md](rights.md).

| right | needed | what for | without it |
|---|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    settings = Config(cluster="c", region="eu-west-1", groups=("g",), drain={"on_deadline": "job"}).settings()
    return HEAD + "\n".join(_row(need) for need in (*required(settings), *optional(settings))) + "\n"


def _row(need: Need) -> str:
    needed = "optional" if need.optional else f"required with `{need.setting}`" if need.setting else "required"
    without = need.without or (f"it is not checked {need.unchecked}" if need.optional else "no rollout begins")
    return f"| {'<br>'.join(_rights(need))} | {needed} | {need.why} | {without} |"


def _rights(need: Need) -> Iterator[str]:
    return (f"`{right}`" for right in need.rights)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")

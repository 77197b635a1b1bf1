"""The text that `rollout config init` writes. A test holds that every setting stands in it with its default."""

from __future__ import annotations

import re
from importlib.resources import files

from rollout.errors import UserError


def example() -> str:
    """Return the template with REPLACE_ME where your names belong: no file in which one stands is worked with."""
    return _filled(
        cluster="REPLACE_ME",
        group="REPLACE_ME",
        template="",
        account='# account: "123456789012"',
        assume_role="# assume_role: arn:aws:iam::123456789012:role/REPLACE_ME",
        eks_role="# eks_role: arn:aws:iam::123456789012:role/REPLACE_ME",
        namespaces="",
        prefixes="",
        autoscaler="cluster-autoscaler",
        node_selector="{}",
    )


def for_seed(env: str, account: str) -> str:
    """Return the template with the names that the original script derived from its two arguments.

    Raises `UserError` for an account that is not twelve digits, or an environment that is no Kubernetes namespace.
    """
    if not re.fullmatch(r"[0-9]{12}", account):
        raise UserError(
            f'"{account}" is no account id: twelve digits', hint="rollout config init --seed-names ENV ACCOUNT"
        )
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", env):
        raise UserError(
            f'"{env}" is no environment: the script used it as a namespace, so small letters, digits and dashes',
            hint="rollout config init --seed-names ENV ACCOUNT",
        )
    return _filled(
        cluster=f"eks-{env}",
        group=f"eks_worker-{env}",
        template=f" (eks_worker_lt-{env})",
        account=f'account: "{account}"',
        assume_role=f"assume_role: arn:aws:iam::{account}:role/redeploy_nodes-{env}",
        eks_role=f"eks_role: arn:aws:iam::{account}:role/eks_admin_role-{env}",
        namespaces=f'"{env}"',
        prefixes="algopipeline, scraper",
        autoscaler="cluster-autoscaler-aws-cluster-autoscaler",
        node_selector="{pool: worker}",
    )


def _filled(**values: str) -> str:
    text = files("rollout.cli").joinpath("template.yaml").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)

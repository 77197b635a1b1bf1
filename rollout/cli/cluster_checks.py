"""Whether journal, cluster and configuration belong together: asked before a command takes the cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollout.commands import resume, then_resume
from rollout.errors import RESUMABLE, EdgeError, Retry, UserError
from rollout.phases.cluster_lock import outlived

if TYPE_CHECKING:
    from rollout.cli.session import Session
    from rollout.config import Config
    from rollout.model.plan import ClusterId, Plan


def same_cluster(plan: Plan, config: Config, whose: str, command: str) -> None:
    """Raise `UserError` where the configuration is for another cluster than the plan; `whose`: what is that plan's."""
    if (plan.cluster, plan.region) != (config.cluster, config.region):
        raise UserError(
            f"{whose} on {plan.cluster} in {plan.region}, the configuration is for {config.cluster} in {config.region}",
            hint=f"with that cluster's configuration: {command} --config FILE",
        )


def other_groups(plan: Plan, config: Config, rollout_id: str) -> str:
    """Return what to tell where the configuration names other groups than the plan, which counts; "" for the same."""
    works, named = [group.name for group in plan.groups], config.groups
    if set(works) == set(named):
        return ""
    return (
        f"rollout {rollout_id} replaces the nodes of {', '.join(works)}, as it began; the configuration's, "
        f"{', '.join(named)}, count for the next one"
    )


def same_identity(plan: Plan, here: ClusterId, rollout_id: str) -> None:
    """Raise `UserError` where credentials and kubeconfig lead to another cluster than the plan's."""
    if plan.cluster_id is None:
        return
    command = resume(rollout_id)
    if plan.cluster_id.uid and not here.uid:
        raise UserError(
            f"namespace kube-system cannot be read, so this may not be the cluster of rollout {rollout_id}",
            hint=f"give the right to get namespace kube-system (deploy/kubernetes/access.yaml), then: {command}",
            exit_code=RESUMABLE,  # an API server that has just begun says so, too
        )
    not_another(plan, here, rollout_id)


def not_another(plan: Plan, here: ClusterId, rollout_id: str) -> None:
    """Raise `UserError` where credentials and kubeconfig surely lead to another cluster than the plan's."""
    command = resume(rollout_id)
    if plan.cluster_id and (other := plan.cluster_id.differs(here)):
        raise UserError(
            f"rollout {rollout_id} is of another cluster: credentials and kubeconfig lead to {other}",
            hint=f"use those of {plan.cluster_id.arn}, and its configuration: {command} --config FILE",
        )


def adoptable(session: Session, plan: Plan, rollout_id: str) -> None:
    """Raise `UserError` where a rollout that knows only its cluster's name is not of this account.

    Ids of launch templates are used once: what is here under them is what the rollout was planned for.
    """
    if plan.cluster_id is not None:
        return
    wanted = {source.use.template_id for group in plan.groups for source in group.sources}
    try:
        found = {template.id for template in session.edge.autoscaling.templates(sorted(wanted))}
    except Retry as error:
        raise UserError(error.detail, hint=f"try again: {resume(rollout_id)}", exit_code=RESUMABLE) from error
    except EdgeError:
        found = set()
    if missing := wanted - found:
        raise UserError(
            f"account {session.edge.account} has no launch template {', '.join(sorted(missing))}: "
            f"rollout {rollout_id} is of another account, or its launch templates are gone",
            hint=f"use the credentials of its cluster's account, then: {resume(rollout_id)}",
        )


def require(session: Session, rollout_id: str) -> None:
    """Raise `UserError` where the journal is a copy from before the marker was last written, or taken away.

    And where nobody can tell (exit 75): a runner that finds no marker makes it once more, and goes on.
    """
    # Before the journal: a runner that is at work writes there first.
    marker = session.edge.marker()
    record = session.journal.load(rollout_id)
    epoch = session.journal.epoch(session.scope)
    if halt := outlived(marker, replace(record, epoch=epoch)):
        raise UserError(halt.why, hint=then_resume(halt.hint, rollout_id))

"""Lifecycle hooks: an instance waits in Pending:Wait or Terminating:Wait until its hooks' actions are complete.

An action completes by CompleteLifecycleAction, by the one that the hook's `completes` stands for, or by its heartbeat's
end, with the hook's result then. CONTINUE waits for the other hooks, ABANDON ends the wait at once. Source: Amazon EC2
Auto Scaling user guide, "Amazon EC2 Auto Scaling lifecycle hooks" and "How lifecycle hooks work".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eks_simulator.cloud.errors import invalid
from eks_simulator.seeded import seconds, uid

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.clock import Timer
    from eks_simulator.cloud.account import Account
    from eks_simulator.cloud.model import Group, Hook, Instance, Result, Transition

    Then = Callable[[Instance, Result], None]

#: The longest wait, with any number of heartbeats: 48 hours or 100 heartbeats (API_LifecycleHook, GlobalTimeout).
LONGEST = 172800.0
MOST_HEARTBEATS = 100


@dataclass(slots=True, eq=False)
class _Action:
    """One hook's action on one instance, under way; `until` is the end of its global timeout."""

    hook: Hook
    token: str
    until: float
    then: Then
    timers: list[Timer]


class Hooks:
    """All lifecycle actions that are under way."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._clock = account.clock
        self._actions: dict[str, list[_Action]] = {}  # by instance id

    def begin(self, instance: Instance, transition: Transition, then: Then) -> bool:
        """Begin the actions of the group's hooks; False if it has none. `then` hears how the last of them ended."""
        group = self._account.groups[instance.group]
        hooks = [hook for hook in group.hooks.values() if hook.transition == transition]
        self._actions[instance.id] = [self._action(instance, hook, then) for hook in hooks]
        return bool(hooks)

    def _action(self, instance: Instance, hook: Hook, then: Then) -> _Action:
        token = uid(self._account.seed, "lifecycle-action", instance.id, hook.name)
        limit = self._clock.now + min(LONGEST, MOST_HEARTBEATS * hook.heartbeat)
        action = _Action(hook, token, limit, then, [])
        self._await_heartbeat(instance, action)
        if hook.completes is not None:
            after = seconds(self._account.seed, *hook.completes, hook.name, instance.group, instance.ordinal)
            action.timers.append(self._clock.after(after, lambda: self._end(instance, action, "CONTINUE")))
        return action

    def _await_heartbeat(self, instance: Instance, action: _Action) -> None:
        end = min(self._clock.now + action.hook.heartbeat, action.until)
        action.timers.insert(0, self._clock.at(end, lambda: self._end(instance, action, action.hook.result)))

    def _end(self, instance: Instance, action: _Action, result: Result) -> None:
        under_way = self._actions[instance.id]
        _cancel(action)
        under_way.remove(action)
        if result == "ABANDON":
            self.forget(instance)
        if not self._actions.get(instance.id):
            action.then(instance, result)

    def forget(self, instance: Instance) -> None:
        """End all of the instance's actions without a result."""
        for action in self._actions.pop(instance.id, ()):
            _cancel(action)

    def complete(self, group: Group, hook_name: str, instance_id: str, token: str, result: Result) -> None:
        """CompleteLifecycleAction; `AwsError` (ValidationError) where no such action is under way."""
        instance, action = self._found(group, hook_name, instance_id, token)
        self._end(instance, action, result)

    def heartbeat(self, group: Group, hook_name: str, instance_id: str, token: str) -> None:
        """RecordLifecycleActionHeartbeat: the hook's timeout begins again, up to the global one."""
        instance, action = self._found(group, hook_name, instance_id, token)
        action.timers.pop(0).cancel()
        self._await_heartbeat(instance, action)

    def _found(self, group: Group, hook_name: str, instance_id: str, token: str) -> tuple[Instance, _Action]:
        for instance in group.instances.values():
            for action in self._actions.get(instance.id, ()):
                if action.hook.name == hook_name and (token == action.token or instance.id == instance_id):
                    return instance, action
        named = f"token {token}" if token else f"instance ID {instance_id}"
        raise invalid(f"No active Lifecycle Action found with {named}")


def _cancel(action: _Action) -> None:
    for timer in action.timers:
        timer.cancel()

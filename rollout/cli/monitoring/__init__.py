"""What a run tells beside its screen: metrics for Prometheus, and messages by Apprise (docs/signals.md).

`telling` brings them together. `metrics` publishes how a rollout stands. `notifying` sends messages: `messages` says
what is in them, and `services` where they go.
"""

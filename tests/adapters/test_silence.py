"""For how long nothing was heard of the API server."""

from __future__ import annotations

from rollout.adapters.silence import Silence


def test_the_longest_silence_is_told_once() -> None:
    """Between two signs of life, or since the last one."""
    now = [0.0]
    silence = Silence(lambda: now[0])
    for now[0] in (5.0, 40.0, 42.0):
        silence.heard()
    now[0] = 45.0
    assert (silence.longest(), silence.lasts) == (35.0, 3.0)
    now[0] = 52.0
    assert silence.longest() == 10.0

"""Chance that belongs to a thing and not to the order of events.

Every duration and name in the simulated world is a pure function of the scenario's seed and of what it is for, so two
runs in which the requests arrive in another order still boot the same instances in the same number of seconds.
"""

from __future__ import annotations

from hashlib import blake2b

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' own, for generated names: no vowels, nothing that looks alike


def _digest(seed: int, what: tuple[object, ...]) -> bytes:
    return blake2b("\0".join(map(str, (seed, *what))).encode(), digest_size=16).digest()


def fraction(seed: int, *what: object) -> float:
    """Return a number in [0, 1) that is always the same for the same seed and thing."""
    return int.from_bytes(_digest(seed, what)[:7]) / 256**7


def seconds(seed: int, low: float, high: float, *what: object) -> float:
    """Return a duration in [low, high) seconds for the thing."""
    return low + (high - low) * fraction(seed, *what)


def token(seed: int, length: int, *what: object) -> str:
    """Return a suffix as Kubernetes generates for names, at most 16 characters."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in _digest(seed, what)[:length])


def uid(seed: int, *what: object) -> str:
    """Return a UUID for the thing, of the usual form."""
    text = _digest(seed, what).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"

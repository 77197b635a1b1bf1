"""The instance types that the simulator knows. Source: Amazon EC2 instance types guide."""

from __future__ import annotations

from typing import Final, NamedTuple


class Size(NamedTuple):
    """What a type offers: virtual CPUs, memory in MiB."""

    cpus: int
    memory: int


_CPUS: Final = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32}
_GIB_PER_CPU: Final = {"c": 2, "m": 4, "r": 8, "t": 4}
_ARM: Final = frozenset({"c6g", "c7g", "m6g", "m7g", "r6g", "r7g", "t4g"})
_X86: Final = frozenset({"c5", "c5a", "c6a", "c6i", "c7i", "m5", "m5a", "m6a", "m6i", "m7i", "r5", "r5a", "r6i", "t3"})

#: Every type by its name.
TYPES: Final = {
    f"{family}.{size}": Size(cpus, cpus * _GIB_PER_CPU[family[0]] * 1024)
    for family in sorted(_ARM | _X86)
    for size, cpus in _CPUS.items()
} | {"t3.medium": Size(2, 4096), "t4g.medium": Size(2, 4096)}


def architecture(name: str) -> str:
    """Return the processor architecture of the type, as images and DescribeInstanceTypes name it."""
    return "arm64" if name.partition(".")[0] in _ARM else "x86_64"

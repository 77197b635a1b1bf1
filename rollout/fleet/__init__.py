"""The fleet: one image for many clusters, in waves. Each member is an ordinary rollout, run as a child process.

What the fleet knows of a member's progress it reads from that member's own rollout. It keeps by itself only who may
begin, who runs what, and how a member's last run ended.
"""

from __future__ import annotations

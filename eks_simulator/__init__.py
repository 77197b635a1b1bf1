"""An embedded EKS: AWS, Kubernetes and a virtual clock in one process, on loopback only.

Imports nothing of `rollout`, so that it can judge the tool from outside; and `rollout` imports nothing of it.
"""

from __future__ import annotations

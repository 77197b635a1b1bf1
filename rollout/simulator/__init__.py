"""An embedded EKS: AWS, Kubernetes and a virtual clock in one process, on loopback only.

Imports nothing else of this package's parent, so that it can judge the tool from outside.
"""

from __future__ import annotations

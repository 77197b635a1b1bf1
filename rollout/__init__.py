"""A new AMI under a self-managed EKS node group, without killing the Jobs that run on it."""

from __future__ import annotations

__version__ = "0.1.0"

"""Moves a self-managed EKS node group to a new AMI without killing the Jobs that run on it."""

from __future__ import annotations

__version__ = "0.1.0"

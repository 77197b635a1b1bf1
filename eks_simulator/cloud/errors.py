"""The one error of the simulated AWS: what a request is refused with, before any protocol has dressed it."""

from __future__ import annotations


class AwsError(Exception):
    """A refusal as AWS words it: an error code of its API reference, a message, an HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def invalid(message: str) -> AwsError:
    """Auto Scaling's and STS's answer to every request that is well formed and makes no sense."""
    return AwsError("ValidationError", message)

"""Details of errors: one line, no secrets."""

from __future__ import annotations

import pytest

from rollout.adapters.wording import LONGEST, one_line


@pytest.mark.parametrize(
    "secret",
    [
        "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&X-Amz-Signature=0a1b2c",
        "k8s-aws-v1.aHR0cHM6Ly9zdHMu",
        "Authorization: Bearer abc.def",
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.c2lnbmF0dXJl",
    ],
)
def test_no_credential_gets_into_a_detail(secret: str) -> None:
    """URLs that sign, tokens and key ids are hidden, the rest of the text stays."""
    line = one_line(f"before {secret} after")
    assert line.startswith("before ")
    assert line.endswith("(hidden) after")
    assert secret.rsplit(maxsplit=1)[-1] not in line


def test_a_detail_is_one_line_of_bounded_length() -> None:
    """Line breaks become spaces, and what nobody reads is cut."""
    assert one_line("a\n  b\tc") == "a b c"
    assert len(one_line("x" * 10_000)) == LONGEST


def test_what_is_no_secret_stays() -> None:
    """Ids, ARNs and plain URLs are what an operator needs."""
    text = "role arn:aws:iam::123456789012:role/redeploy_nodes-demo at http://127.0.0.1:1/x, ami-0123456789abcdef0"
    assert one_line(text) == text

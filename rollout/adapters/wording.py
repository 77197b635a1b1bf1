"""What the other side said, as one line that may be stored and shown.

No credential, token or presigned URL gets past `one_line`: all details of errors go through it.
"""

from __future__ import annotations

import re

#: Longer answers carry nothing that a person reads (EC2's encoded authorization failures have kilobytes).
LONGEST = 400

_SECRETS = re.compile(
    r"""https?://\S*X-Amz-\S*          # a presigned URL: whoever has it is us, for a while
    | k8s-aws-v1\.\S+                  # an EKS token is such a URL
    | \bBearer\s+\S+
    | \b(?:AKIA|ASIA)[A-Z0-9]{12,}     # ids of access keys
    | (?<=://)[^\s:/@]*:[^\s@]+@     # user and password in an address
    | \beyJ[\w-]+\.[\w-]+\.[\w-]+      # service account tokens
    """,
    re.VERBOSE | re.IGNORECASE,
)


def one_line(text: object) -> str:
    """Return `text` without line breaks and secrets, cut to `LONGEST` characters."""
    line = _SECRETS.sub("(hidden)", " ".join(str(text).split()))
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"

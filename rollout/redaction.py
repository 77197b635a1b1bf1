"""What others said, as text that may be stored and shown: no secret is left in it, and nothing that steers a terminal.

One rule for all: details of errors, events of the journal, crash files and the screen go through here.
"""

from __future__ import annotations

import re
import unicodedata

_SECRETS = re.compile(
    r"""https?://\S*X-Amz-\S*          # a presigned URL: who has it is us, for a while
    | k8s-aws-v1\.\S+                  # an EKS token is such a URL
    | \bBearer\s+\S+
    | \b(?:AKIA|ASIA)[A-Z0-9]{12,}     # ids of access keys
    | (?<=://)[^\s:/@]*:[^\s@]+@     # user and password in an address
    | \b(?:ssl)?password=\S+           # as libpq has it
    | \beyJ[\w-]+\.[\w-]+\.[\w-]+      # service account tokens
    """,
    re.VERBOSE | re.IGNORECASE,
)
#: Shorter ones are no secrets, and hiding them would blank half of every text.
_SHORTEST = 3
#: What this process knows to be secret, such as the password of its journal: a driver may quote it in any form.
_known: set[str] = set()


def learn(*secrets: str | None) -> None:
    """Hide these from now on, wherever they stand."""
    _known.update(secret for secret in secrets if secret and len(secret) >= _SHORTEST)


def redacted(text: object) -> str:
    """Return `text` as one line without secrets and control characters."""
    raw = str(text)
    for secret in sorted(_known, key=len, reverse=True):
        raw = raw.replace(secret, "(hidden)")
    return " ".join(plain(_SECRETS.sub("(hidden)", " ".join(raw.split()))).split())


def plain(text: str) -> str:
    """Return a text in which nothing steers a terminal: neither escapes nor characters that turn its direction."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("?" if _steers(character) else character for character in text)


def _steers(character: str) -> bool:
    return character not in "\n\t" and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}

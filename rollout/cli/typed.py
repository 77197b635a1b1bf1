"""What is typed as an id, a key or a region is looked at before anything is read: exit 2 with what it should be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.errors import UserError

#: Longest key that the journal holds.
LONGEST_KEY = 200
#: Options whose empty value means just that.
_MAY_BE_EMPTY = ("--description",)


def none_empty(words: Sequence[str]) -> None:
    """Raise `UserError` for an option with an empty value: a variable that nobody set must not mean a default."""
    for option in _empty(words):
        if option not in _MAY_BE_EMPTY:
            raise UserError(
                f"what follows {option} is empty: a variable that is not set?",
                hint=f"give {option} a value, or leave it out",
            )


def _empty(words: Sequence[str]) -> Iterator[str]:
    options = words[: words.index("--")] if "--" in words else words
    for word, following in zip(options, (*options[1:], None), strict=True):
        name, equals, value = word.partition("=")
        if name.startswith("--") and (following if not equals else value) == "":
            yield name


def ami(text: str | None) -> str | None:
    """Return the id of an image. Raises `UserError` for what is none."""
    from rollout.ami.images import AMI

    if text is not None and not AMI.fullmatch(text):
        raise UserError(f'"{text}" is not the id of an image', hint="give one such as ami-0123456789abcdef0")
    return text


def region(text: str | None) -> str | None:
    """Return the name of a region. Raises `UserError` for what is none."""
    from rollout.ami.images import REGION

    if text is not None and not REGION.fullmatch(text):
        raise UserError(f'"{text}" is not an AWS region', hint="give one such as eu-west-1")
    return text


def key(text: str | None) -> str | None:
    """Return a new rollout's key. Raises `UserError` for one that could not be typed again, as a word of its own."""
    if text is not None and text.startswith("-"):
        raise UserError(f'the key "{text}" begins with a dash, as options do', hint="give one such as build-7")
    if text and text.isprintable() and text.strip() and not any(map(str.isalnum, text)):
        raise UserError(
            f'the key "{text}" has no letter and no digit: are its variables set?', hint="give one such as build-7"
        )
    return reference(text)


def reference(text: str | None) -> str | None:
    """Return a rollout's id or key. Raises `UserError` for what can be neither."""
    if text is not None and not (text.strip() and text.isprintable() and len(text) <= LONGEST_KEY):
        problem = f"is empty, or has control characters or more than {LONGEST_KEY} characters"
        raise UserError(f'the id or key "{text[:LONGEST_KEY]}" {problem}', hint="rollout list")
    return text


def length(text: str) -> float:
    """Return the seconds of a length of time that was typed. Raises ValueError for what is none."""
    from rollout.config import seconds

    return float(str(seconds(text)))


def duration(text: str | None) -> str | None:
    """Return a length of time as it was typed. Raises `UserError` for what is none, or not a moment long."""
    try:
        some = text is None or length(text) > 0
    except ValueError as error:
        raise UserError(str(error), hint="give one such as 2h, 90m or 1h30m") from None
    if not some:
        raise UserError(f'"{text}" is no time at all', hint="give one such as 2h, 90m or 1h30m")
    return text

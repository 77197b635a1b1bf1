"""Maintenance windows: when a rollout may begin, begin to drain a node, and end Jobs. Pure in the time.

A window is a time of the week by the clocks of a place, such as "Mon-Thu 22:00-06:00 Europe/Berlin": its days are those
on which it begins, and it may go on past midnight. Windows that meet or overlap are one. Without any it is always open.

Where clocks are put forward, a time that does not exist counts as by the clocks before (RFC 5545, section 3.3.5): 02:30
is then 03:30. A window may be shorter in that night, or left out. Where clocks are put back, a time that comes twice is
the first one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: How long a window has been open before Jobs are ended: who works on the cluster sees it coming.
NOTICE = timedelta(minutes=15)
#: The shortest window: in a shorter one no Job could ever be ended after the notice.
SHORTEST = 30
#: Where nothing closes or opens it.
NEVER = datetime.max.replace(tzinfo=UTC)
#: Days that are looked at, before and after a day: a window of each week shows there, though clocks leave out one.
_BEFORE, _AFTER = 9, 22
_DAY = 24 * 60
#: A day around which clocks are changed nowhere.
_NO_CHANGE = date(2024, 1, 10)

_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_DAYS = rf"(?:{'|'.join(DAYS)})"
#: The parts of a window, by what they are.
_EACH = {
    "days": rf"{_DAYS}(?:-{_DAYS})?(?:,{_DAYS}(?:-{_DAYS})?)*",
    "times": rf"{_TIME}-(?:{_TIME}|24:00)",
    "a time zone": r"[A-Za-z][A-Za-z0-9_+/-]*",
}
#: What a window looks like; `spelling` says the same in words.
FORM = " ".join(_EACH.values())
SPELLING = 'days, times and a time zone, such as "Mon-Thu 22:00-06:00 Europe/Berlin"'
_PARTS = re.compile(r"(?P<days>\S+) (?P<begins>[0-9:]{5})-(?P<ends>[0-9:]{5}) (?P<zone>\S+)")


@dataclass(frozen=True, slots=True)
class Window:
    """A time of the week. `days`: on which it begins, 0 is Monday; `begins`, `ends`: minutes of the day.

    It ends on the next day where its end is not later than its begin. `zone`: of the IANA's time zones.
    """

    days: tuple[int, ...]
    begins: int
    ends: int
    zone: str

    @property
    def minutes(self) -> int:
        """How long it is open, where no clock is changed."""
        return self.ends - self.begins + _DAY * (self.ends <= self.begins)

    def __str__(self) -> str:
        """As the configuration writes it."""
        days = ",".join(DAYS[day] for day in self.days)
        return f"{days} {_clock(self.begins)}-{_clock(self.ends)} {self.zone}"


def window(text: str) -> Window:
    """Return the window that a text of this form means. Raises ValueError where it is none of any use."""
    found = _PARTS.fullmatch(text) if re.fullmatch(FORM, text, re.ASCII) else None
    if found is None:
        raise ValueError(f'"{text}" is not {SPELLING}{_wrong(text)}')
    days = [day for part in found["days"].split(",") for day in _days(part)]
    if len(days) > len(set(days)):
        raise ValueError(f'"{text}" names a day twice')
    begins, ends = _minutes(found["begins"]), _minutes(found["ends"])
    if begins == ends:
        raise ValueError(f'"{text}" begins when it ends: write 00:00-24:00 for whole days')
    made = Window(tuple(sorted(days)), begins, ends, found["zone"])
    if made.minutes < SHORTEST:
        raise ValueError(f'"{text}" is shorter than {SHORTEST} minutes: Jobs have 15 minutes from its begin on')
    try:
        ZoneInfo(made.zone)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f'"{made.zone}" is no time zone that is known here, such as Europe/Berlin or UTC') from error
    return made


def _wrong(text: str) -> str:
    """Say which part of a text is not what stands at its place; "" where it has not as many parts."""
    parts = text.split(" ")
    if len(parts) != len(_EACH):
        return ""
    forms = zip(_EACH.items(), parts, strict=True)
    return "".join(
        f'; "{part}" is not {name}' for (name, form), part in forms if not re.fullmatch(form, part, re.ASCII)
    )


def open_until(windows: tuple[Window, ...], now: datetime) -> datetime | None:
    """Return until when it is open; None where it is closed."""
    return next((end for begin, end in _spans(windows, now) if begin <= now < end), None)


def opens(windows: tuple[Window, ...], now: datetime) -> datetime:
    """Return when it is open for the next time; `now` where it is."""
    return next((max(begin, now) for begin, end in _spans(windows, now) if now < end), NEVER)


def shortest(windows: tuple[Window, ...]) -> timedelta:
    """Return how long the shortest one is open, with those that meet it, where no clock is changed."""
    return min(end - begin for begin, end in _around(windows, _NO_CHANGE)[1:-1] or _ALWAYS)


def to_open(windows: tuple[Window, ...], now: datetime) -> str:
    """Return in words what is waited for while it is closed."""
    return f"a maintenance window, which opens at {opens(windows, now):%Y-%m-%dT%H:%M:%SZ}"


def may_end(windows: tuple[Window, ...], now: datetime) -> bool:
    """Tell whether Jobs may be ended now: it is open, and has been so for as long as they have notice."""
    return may_end_from(windows, now) == now


def may_end_from(windows: tuple[Window, ...], at: datetime) -> datetime:
    """Return the first moment from then on at which Jobs may be ended."""
    told = ((max(begin + NOTICE, at), end) for begin, end in _spans(windows, at))
    return next((begin for begin, end in told if begin < end), NEVER)


def within(windows: tuple[Window, ...], since: datetime, length: timedelta) -> datetime:
    """Return when so much time is over; where that is when no Job may be ended, it begins again when one may."""
    over = since + length
    again = may_end_from(windows, over)
    return over if again == over else again + length


_Span = tuple[datetime, datetime]
_ALWAYS = ((datetime.min.replace(tzinfo=UTC), NEVER),)


def _spans(windows: tuple[Window, ...], now: datetime) -> tuple[_Span, ...]:
    return _around(windows, now.astimezone(UTC).date()) if windows else _ALWAYS


@lru_cache(maxsize=8)  # each node asks at each tick
def _around(windows: tuple[Window, ...], day: date) -> tuple[_Span, ...]:
    """Return when it is open in the days around this one, in order; what meets is one."""
    merged: list[_Span] = []
    for begin, end in sorted(span for one in windows for span in _of_window(one, day)):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    whole_week = timedelta(days=8)
    return tuple((begin, NEVER if end - begin > whole_week else end) for begin, end in merged)


def _of_window(one: Window, day: date) -> Iterator[_Span]:
    zone = ZoneInfo(one.zone)
    for number in range(-_BEFORE, _AFTER):
        first = day + timedelta(days=number)
        if first.weekday() in one.days:
            begin, end = (_instant(first, minutes, zone) for minutes in (one.begins, one.begins + one.minutes))
            if begin < end:
                yield begin, end


def _instant(first: date, minutes: int, zone: ZoneInfo) -> datetime:
    """Return the moment at which clocks there show so many minutes after the day's midnight."""
    shown = datetime.combine(first, time()) + timedelta(minutes=minutes)
    return shown.replace(tzinfo=zone).astimezone(UTC)


def _days(part: str) -> Iterable[int]:
    first, _, last = part.partition("-")
    begin = DAYS.index(first)
    return ((begin + more) % 7 for more in range((DAYS.index(last or first) - begin) % 7 + 1))


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"

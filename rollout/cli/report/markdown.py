"""A report as Markdown, for a ticket or a log: the same facts, without pictures."""

from __future__ import annotations


def text(report):
    return ""

"""Versions of programs, as they print them."""

import re

Version = tuple[int, ...]
Line = tuple[int, int]


def version(text: str | None) -> Version | None:
    """Leading numbers of a version as programs print it: 'v1.1.5+ds1' is (1, 1, 5)."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", text.strip()) if text else None
    return tuple(map(int, found[1].split("."))) if found else None


def line_of(of: Version) -> Line:
    """Its first two numbers."""
    return of[0], of[1] if len(of) > 1 else 0

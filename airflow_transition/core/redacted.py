"""What a foreign program printed, fit for a log: short, and without what looks like a secret.

No rule finds every secret; these take the forms in which programs print them most. A package whose
hook prints secrets in another form should print nothing.
"""

import re

_HIDDEN = "***"
_NAMED = re.compile(
    r"(?i)(\b[\w.-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|"
    r"private[_-]?key|credential|authorization|cookie)[\w.-]*[\"']?\s*[:=]\s*)"
    r"(?:(?:bearer|basic)\s+)?(\"[^\"]*\"?|'[^']*'?|\S+)"
)
_SCHEME = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_IN_URL = re.compile(r"(\w+://)[^\s/@]+@")
_LONG = re.compile(r"(?<![\w/+=-])(?=[\w/+=-]*\d)[\w/+=-]{32,}")
"""Digests as well: what a hook prints is for people, who find the rest in the pod's own log."""
_KEY_BLOCK = re.compile(r"-----BEGIN [^-]+-----.*?(?:-----END [^-]+-----|\Z)", re.DOTALL)


def redacted(text: str, *, limit: int = 300) -> str:
    """The end of `text`, on one line, at most `limit` characters of it."""
    text = _KEY_BLOCK.sub(_HIDDEN, text)
    text = _NAMED.sub(rf"\g<1>{_HIDDEN}", text)
    text = _SCHEME.sub(rf"\g<1> {_HIDDEN}", text)
    text = _IN_URL.sub(rf"\g<1>{_HIDDEN}@", text)
    text = _LONG.sub(_HIDDEN, text)
    shown = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return shown if len(shown) <= limit else f"...{shown[-limit:]}"

"""Hide what must not be printed: passwords in connection strings, and options that are secrets."""

from __future__ import annotations

import re
from typing import Any

from gateway.settings import Settings, from_map, to_map

HIDDEN = "***"

_SECRET = re.compile(r"(password|passwd|passcode|passphrase|secret|token|api_?key)$", re.IGNORECASE)
"""The end of a name whose value is a secret."""
_IN_URI = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^:/?#@\s]*:)[^/?#\s]*@", re.IGNORECASE)
_IN_QUERY = re.compile(r"(?P<before>[?&](ssl)?password=)[^&#\s]*", re.IGNORECASE)
_IN_WORDS = re.compile(
    r"(?P<before>\b(ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'?|(?:[^\s'\\&]|\\.)+)", re.IGNORECASE
)
"""`password=secret` or `password='my secret'`, as libpq reads it."""


def hide_secrets(settings: Settings) -> Settings:
    """Return the settings with `***` in place of every secret."""
    return from_map(Settings, _hide("", to_map(settings)))


def hide_in_text(text: str) -> str:
    """Return a connection string or URI without its password."""
    text = _IN_URI.sub(rf"\g<before>{HIDDEN}@", text)
    text = _IN_QUERY.sub(rf"\g<before>{HIDDEN}", text)
    return _IN_WORDS.sub(rf"\g<before>{HIDDEN}", text)


def _hide(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hide(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_hide(name, item) for item in value)
    if value and _SECRET.search(name):
        return HIDDEN
    return hide_in_text(value) if isinstance(value, str) else value

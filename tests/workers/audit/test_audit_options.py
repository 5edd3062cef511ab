"""The options of `[workers.audit]`: each wrong one is named, with what it must be."""

from __future__ import annotations

import re

import pytest

from gateway.errors import ConfigError
from workers.audit.audit_options import AuditOptions


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fodler": "x"}, "there is no option 'fodler'; known: folder, rotate_at"),
        ({"keep": "5"}, "keep = '5': it must be a whole number"),
        ({"keep": True}, "keep = True: it must be a whole number"),
        ({"keep": 1}, "keep = 1: it must be 2 or more"),
        ({"rotate_at": 1000}, "rotate_at = 1000: it must be 65536 or more"),
        ({"folder": 7}, "folder = 7: it must be a text"),
        ({"syslog": "audit.example"}, 'it must be "HOST:PORT"'),
        ({"syslog": ":6514"}, 'it must be "HOST:PORT"'),
        ({"syslog": "a:0"}, 'it must be "HOST:PORT"'),
        ({"syslog": "a:65536"}, 'it must be "HOST:PORT"'),
        ({"ca": "ca.pem"}, 'needs syslog = "HOST:PORT"'),
        ({"syslog": "a:1", "key": "k.pem"}, "key = 'k.pem' needs certificate"),
    ],
)
def test_a_wrong_option_is_named(options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        AuditOptions.of(options)


def test_right_options_and_tables_of_other_workers_are_taken() -> None:
    found = AuditOptions.of({"syslog": "[::1]:6514", "archive": {"dsn": ""}, "keep": 2})
    assert found.address() == ("::1", 6514)
    assert found.source_id()

"""Settings of a destination that exclude or need each other: each pair, with the exact sentence."""

from __future__ import annotations

from dataclasses import fields
from itertools import combinations
from typing import Any

import pytest

from gateway.destination_settings import Destination, check_destinations
from gateway.errors import ConfigError

AE = {"host": "pacs.example", "port": 104}
SECURE = {"host": "pacs.example", "port": 443, "url": "https://pacs.example/dicom-web"}
PLAIN = {"host": "pacs.example", "port": 80, "url": "http://pacs.example/dicom-web"}
BASES = {"an AE": AE, "a service with TLS": SECURE, "a service without TLS": PLAIN}

VALUES: dict[str, Any] = {
    "ae_title": "PACS",
    "operations": 4,
    "associations": 2,
    "tls": True,
    "tls_name": "pacs",
    "tls_ca": "ca.pem",
    "tls_certificate": "own.pem",
    "tls_key": "own.key",
    "order": "series",
    "bandwidth": 1000,
    "confirm": "find",
    "hours": ("19:00-07:00",),
    "transcode": True,
    "transfer_syntaxes": ("JPEGLSLossless",),
    "lossy_ratio": 10,
    "lossy_error": 2,
    "user": "me",
    "password_file": "password",
    "token_file": "token",
    "oauth_url": "https://id.example/token",
    "oauth_client": "gateway",
    "oauth_secret_file": "secret",
    "oauth_scope": "dicom",
}
WEB_ALONE = (
    *("user", "password_file", "token_file"),
    *("oauth_url", "oauth_client", "oauth_secret_file", "oauth_scope"),
)
OF_TLS = ("tls_name", "tls_ca", "tls_certificate", "tls_key")
OAUTH = "oauth_url, oauth_client and oauth_secret_file need each other"
LOSS = "confirm excludes loss: what is compressed so has a SOP Instance UID of its own"

NEEDS: list[tuple[str, tuple[dict[str, Any], ...], set[str], str]] = [
    # setting, with these destinations, any of these settings is needed, else this is said
    *((name, (AE,), set(), f"{name} needs url: a DICOM association has no such thing")
      for name in WEB_ALONE),
    *((name, (AE,), {"tls"}, f"{name} needs tls = true: no TLS is spoken there")
      for name in OF_TLS),
    *((name, (PLAIN,), {"oauth_url"},
       f"{name} needs a url that begins with https: no TLS is spoken there") for name in OF_TLS),
    ("tls_key", (AE, SECURE, PLAIN), {"tls_certificate"},
     "tls_key needs tls_certificate: the key of which certificate is it?"),
    ("ae_title", (SECURE, PLAIN), set(),
     "ae_title needs host and port: a DICOMweb service has no AE title"),
    ("tls", (PLAIN,), set(), "tls = true needs a url that begins with https"),
    *((name, (AE, SECURE, PLAIN), {"transcode"}, f"{name} needs transcode = true")
      for name in ("transfer_syntaxes", "lossy_ratio", "lossy_error")),
    ("user", (SECURE, PLAIN), {"password_file"}, "user and password_file need each other"),
    ("password_file", (SECURE, PLAIN), {"user"}, "user and password_file need each other"),
    *((one, (SECURE, PLAIN), {other}, OAUTH)
      for one in ("oauth_url", "oauth_client", "oauth_secret_file", "oauth_scope")
      for other in ("oauth_url", "oauth_client", "oauth_secret_file") if one != other),
]  # fmt: skip
EXCLUDES = {
    frozenset({"lossy_ratio", "lossy_error"}):
        "lossy_error excludes lossy_ratio: an image is compressed in one way",
    frozenset({"confirm", "lossy_ratio"}): LOSS,
    frozenset({"confirm", "lossy_error"}): LOSS,
    frozenset({"user", "token_file"}): "token_file excludes user: one of them is sent",
    frozenset({"user", "oauth_url"}): "oauth_url excludes user: one of them is sent",
    frozenset({"token_file", "oauth_url"}): "oauth_url excludes token_file: one of them is sent",
}  # fmt: skip


def said(settings: dict[str, Any]) -> str:
    """What is wrong with a destination, without its name; empty: nothing."""
    try:
        check_destinations({"A": Destination(**settings)})
    except ConfigError as error:
        name, _, text = str(error).partition("destinations.A.")
        assert not name
        return text
    return ""


def possible(base: dict[str, Any], given: set[str]) -> set[str]:
    """All that may be said of such a destination; it is said of the first one that is found."""
    found = {
        text
        for name, bases, needed, text in NEEDS
        if name in given and base in bases and not (needed & given)
    }
    return found | {text for pair, text in EXCLUDES.items() if pair <= given}


def test_the_table_has_every_setting() -> None:
    assert {one.name for one in fields(Destination)} == {*VALUES, "host", "port", "url"}


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
@pytest.mark.parametrize("number", [1, 2])
def test_each_setting_and_each_pair_is_taken_or_refused_with_its_sentence(
    base: dict[str, Any], number: int
) -> None:
    for names in combinations(VALUES, number):
        expected = possible(base, set(names))
        text = said(base | {name: VALUES[name] for name in names})
        assert text in (expected or {""}), names


@pytest.mark.parametrize("base", [SECURE, PLAIN], ids=["TLS", "plain"])
@pytest.mark.parametrize(
    ("pair", "text"), EXCLUDES.items(), ids=[" ".join(sorted(one)) for one in EXCLUDES]
)
def test_what_excludes_each_other_does_so_with_all_that_each_needs(
    base: dict[str, Any], pair: frozenset[str], text: str
) -> None:
    names = set(pair)
    names |= {"transcode"} if names & {"lossy_ratio", "lossy_error"} else set()
    names |= {"password_file"} if "user" in names else set()
    names |= {"oauth_client", "oauth_secret_file"} if "oauth_url" in names else set()
    assert possible(base, names) == {text}
    assert said(base | {name: VALUES[name] for name in names}) == text
    for one in pair:  # each of them alone is taken
        rest = {name: VALUES[name] for name in names - pair - {"password_file"} | {one}}
        rest |= {"password_file": "p"} if one == "user" else {}
        if one != "oauth_url":
            rest = {name: value for name, value in rest.items() if "oauth" not in name}
        assert said(base | rest) == ""


def test_storage_commitment_needs_an_association() -> None:
    text = 'confirm = "commitment" needs an association: a DICOMweb service is asked with "find"'
    assert said({**SECURE, "confirm": "commitment"}) == text
    assert said({**AE, "confirm": "commitment"}) == ""
    assert said({**SECURE, "confirm": "find"}) == ""


@pytest.mark.parametrize("place", [{"host": "other.example"}, {"port": 104}])
def test_a_url_is_in_place_of_host_and_port(place: dict[str, Any]) -> None:
    text = "url is in place of host and port: state one of them"
    assert said({**SECURE, **place}) == text


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({"token_file": "t"}, ["http://pacs.example:80"]),
        ({"user": "u", "password_file": "p"}, ["http://pacs.example:80"]),
        (
            {"oauth_url": "http://id/", "oauth_client": "c", "oauth_secret_file": "s"},
            ["http://pacs.example:80", "http://id:80"],
        ),
        ({}, []),
    ],
)
def test_a_secret_without_tls_is_warned_of(settings: dict[str, Any], warned: list[str]) -> None:
    found = check_destinations({"A": Destination(**PLAIN, **settings)})
    assert found == [
        f"destinations.A: a secret goes to {place} without TLS: use https" for place in warned
    ]

"""Who may look: token, Host and Origin."""

from pathlib import Path

import pytest

from workers.http.access import Access, token_in

LOCAL = "127.0.0.1:11180"


def refusal(*, names: tuple[str, ...] = (), is_local: bool = True, changes=False, **headers) -> str:
    access = Access("secret", names, is_local=is_local)
    return access.refusal({k.replace("_", "-"): v for k, v in headers.items()}, changes=changes)


def test_the_token_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    token = token_in(tmp_path)
    assert len(token) >= 32
    assert token_in(tmp_path) == token
    assert (tmp_path / "web-token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("left", [b"", b"\0" * 32, b"abc", b"\xff" * 32])
def test_a_file_that_was_not_written_whole_has_no_token(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "web-token").write_bytes(left)
    token = token_in(tmp_path)
    assert len(token) >= 32
    assert token_in(tmp_path) == token


@pytest.mark.parametrize("given", [None, "", "x"])
def test_without_a_token_nobody_is_let_in(given: str | None) -> None:
    assert not Access("").has_token(given)


@pytest.mark.parametrize("given", [None, "", "secre", "secret ", "Secret", "sécret"])
def test_only_the_token_is_the_token(given: str | None) -> None:
    access = Access("secret")
    assert access.has_token("secret")
    assert not access.has_token(given)


@pytest.mark.parametrize("host", [LOCAL, "localhost:11180", "[::1]:11180", "127.0.0.2"])
def test_its_own_names(host: str) -> None:
    assert refusal(host=host) == ""


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:11180", "10.0.0.1", "[::", "a b"]
)
def test_a_foreign_host_is_refused(host: str) -> None:
    assert "is not a name of this server" in refusal(host=host)


def test_names_of_a_proxy_and_addresses_beyond_loopback() -> None:
    assert refusal(host="Gateway.Example", names=("gateway.example",)) == ""
    assert refusal(host="10.0.0.1:11180", is_local=False) == ""
    assert "is not a name" in refusal(host="evil.example", is_local=False)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
def test_a_foreign_origin_is_refused(origin: str) -> None:
    assert refusal(host=LOCAL, origin=origin, changes=True) != ""
    assert refusal(host=LOCAL, origin=origin) != ""


def test_a_change_from_this_server_or_a_program() -> None:
    assert refusal(host=LOCAL, origin=f"http://{LOCAL}", changes=True) == ""
    assert refusal(host=LOCAL, changes=True) == ""
    assert refusal(host=LOCAL, sec_fetch_site="cross-site", changes=True) != ""

"""`dicom-gateway keys`: files, the list of allowed keys, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.cli.app import main
from gateway.errors import ConfigError
from gateway.fabric.acceptor.allowed_keys import ALLOWED_KEYS, AllowedKeys, read
from gateway.fabric.wire import curve_keys

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        status = main([*map(str, arguments)])
    except SystemExit as left:
        status = int(left.code or 0)
    told = capsys.readouterr()
    return status, told.out.strip(), told.err


def new(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    status, out, err = run(capsys, "keys", "new", *arguments)
    assert status == 0, err
    return out


def test_a_new_key_is_private_and_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: str
) -> None:
    file = tmp_path / "w.key"
    own, server = new(capsys, file), new(capsys, "--data", data)
    assert own != server
    for path in (file, tmp_path / "data" / "keys" / curve_keys.GATEWAY_KEY):
        assert path.stat().st_mode & 0o777 == 0o600
    assert run(capsys, "keys", "show", file)[1] == own
    assert run(capsys, "keys", "show", "--data", data)[1] == server
    assert curve_keys.read(file).public.hex() == own
    assert repr(curve_keys.read(file)).count(curve_keys.read(file).secret.hex()) == 0


def test_a_key_is_never_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "w.key"
    own = new(capsys, file)
    status, _, err = run(capsys, "keys", "new", file)
    assert (status, "File exists" in err) == (2, True)
    assert run(capsys, "keys", "show", file)[1] == own


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, mode: int
) -> None:
    file = tmp_path / "w.key"
    new(capsys, file)
    file.chmod(mode)
    status, _, err = run(capsys, "keys", "show", file)
    assert (status, "chmod 600" in err) == (2, True)


def test_keys_are_allowed_listed_and_revoked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: str
) -> None:
    one, two = new(capsys, tmp_path / "1"), new(capsys, tmp_path / "2")
    allow = ("keys", "allow", "--data", data)
    rights = ("--event", "EVT_C_STORE", "--event", "EVT_C_FIND", "--watch", "*", "--call", "abort")
    assert run(capsys, *allow, one, "--worker", "storage", *rights)[0] == 0
    assert run(capsys, *allow, two, "--worker", "query")[0] == 0
    path = tmp_path / "data" / "keys" / ALLOWED_KEYS
    assert path.stat().st_mode & 0o777 == 0o600
    keys = AllowedKeys(path)
    permission = keys.of(bytes.fromhex(one))
    assert permission is not None
    assert permission.events == {"EVT_C_STORE", "EVT_C_FIND"}
    assert (permission.topics, permission.publish) == ({"*"}, frozenset())
    listed = run(capsys, "keys", "ls", "--data", data)[1].splitlines()
    assert listed == [
        f"{one} worker=storage events=EVT_C_FIND,EVT_C_STORE topics=* calls=abort",
        f"{two} worker=query",
    ]
    assert run(capsys, *allow, one, "--worker", "other")[0] == 0, "in place of the rights before"
    keys.refresh()
    assert [p.worker for p in read(path).values()] == ["other", "query"]
    assert run(capsys, "keys", "revoke", "--data", data, "query")[0] == 0
    assert run(capsys, "keys", "revoke", "--data", data, one)[0] == 0
    assert run(capsys, "keys", "ls", "--data", data)[1] == ""
    status, _, err = run(capsys, "keys", "revoke", "--data", data, one)
    assert (status, "allows no key" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("short", "--worker", "w"), "not a public key"),
        (("0" * 64, "--worker", "w", "--event", "EVT_RELEASED"), "not an event that workers"),
        (("0" * 64, "--worker", "w", "--watch", "EVT_C_STORE"), "not a notification"),
        (("0" * 64, "--worker", "w", "--call", "everything"), "not an operation"),
    ],
)
def test_what_is_wrong_is_told(
    capsys: pytest.CaptureFixture[str], data: str, arguments: tuple[str, ...], told: str
) -> None:
    status, _, err = run(capsys, "keys", "allow", "--data", data, *arguments)
    assert (status, told in err) == (2, True), err


@pytest.mark.parametrize(
    "text",
    [
        "allow = 1",
        "[[allow]]\nkey = 'x'\nworker = 'w'",
        f"[[allow]]\nkey = '{'0' * 64}'",
        f"[[allow]]\nkey = '{'0' * 64}'\nworker = 'w'\nevents = 'EVT_C_STORE'",
        f"[[allow]]\nkey = '{'0' * 64}'\nworker = 'w'\nother = 1",
        2 * f"[[allow]]\nkey = '{'0' * 64}'\nworker = 'w'\n",
        "not TOML",
    ],
)
def test_a_wrong_list_is_refused_and_changes_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / ALLOWED_KEYS
    path.touch(0o600)
    path.write_text(f"[[allow]]\nkey = '{'1' * 64}'\nworker = 'w'\n")
    keys = AllowedKeys(path)
    path.write_text(text)
    with pytest.raises(ConfigError):
        read(path)
    keys.refresh()
    assert keys.of(b"\x11" * 32) is not None


CONFIG = '[fabric]\nlisten = "tcp://127.0.0.1:5600"\nkeys = "{keys}"\n'


def test_config_checks_that_keys_are_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(CONFIG.format(keys=tmp_path / "keys"))
    checks = ("config", "--config", file)
    status, _, err = run(capsys, *checks)
    assert (status, "cannot read" in err) == (2, True), err
    new(capsys, "--config", file)
    status, _, err = run(capsys, *checks)
    assert (status, "no key is allowed" in err) == (2, True), err
    key = new(capsys, tmp_path / "w.key")
    assert run(capsys, "keys", "allow", key, "--worker", "w", "--config", file)[0] == 0
    assert run(capsys, *checks)[0] == 0
    for wrong in ("ipc:///run/x", "5600", "tcp://*:5600", "tcp://name:5600", "tcp://10.0.0.1"):
        file.write_text(f'[fabric]\nlisten = "{wrong}"\n')
        status, _, err = run(capsys, *checks)
        assert (status, "CURVE" in err) == (2, True), err

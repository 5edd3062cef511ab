"""The worker `users`: passcodes, tokens, its file, and its command."""

from __future__ import annotations

import json
import stat
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from gateway.cli.common import settings_of
from gateway.errors import ConfigError
from tests.peers.process import run_cli
from workers.users.tokens import WebTokens
from workers.users.user_file import UserFile
from workers.users.users_command import app
from workers.users.users_worker import UsersOptions

if TYPE_CHECKING:
    from pathlib import Path

TARGET = "workers.users.users_worker:worker"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users"


def test_a_passcode_is_right_for_its_user_only(file: Path) -> None:
    users = UserFile(file)
    assert users.set("ct 1", "geheim")
    assert users.set("mr", "andere")
    assert users.is_right("ct 1", "geheim")
    for name, passcode in (("ct 1", "andere"), ("mr", "geheim"), ("nobody", ""), ("ct 1", "")):
        assert not users.is_right(name, passcode)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "geheim" not in file.read_text()
    assert "$argon2id$" in file.read_text()


def test_a_change_takes_effect_at_once(file: Path) -> None:
    reader, writer = UserFile(file), UserFile(file)
    assert reader.names() == []
    writer.set("a", "1")
    assert reader.is_right("a", "1")
    assert not writer.set("a", "2")
    assert (reader.is_right("a", "1"), reader.is_right("a", "2")) == (False, True)
    assert writer.remove("a")
    assert not writer.remove("a")
    assert not reader.is_right("a", "2")


@pytest.mark.parametrize("name", ["", "a:b", " a", "#a", "a\n", "x" * 257])
def test_a_name_that_cannot_be(file: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="a name has"):
        UserFile(file).set(name, "x")


def test_a_wrong_file_is_named_with_its_line(file: Path) -> None:
    file.write_text("# a comment\nalice:plain\n")
    with pytest.raises(ConfigError, match=r"users:2: not NAME:HASH .* `dicom-gateway users add"):
        UserFile(file).names()


def test_wrong_options_are_named() -> None:
    assert UsersOptions.of({"archive": {}, "web": {}}) == UsersOptions()
    with pytest.raises(ConfigError, match="no option 'fil'; known: file"):
        UsersOptions.of({"fil": "x"})
    with pytest.raises(ConfigError, match="names_suffice = 'yes': it must be true or false"):
        UsersOptions.of({"names_suffice": "yes"})


@pytest.fixture
def signer(tmp_path: Path) -> tuple[Any, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [{**public, "kid": "k1", "alg": "ES256"}]}))
    return key, keys


def token(key: Any, algorithm: str = "ES256", kid: str = "k1", **claims: Any) -> str:
    body = {"sub": "ct", "aud": "gw", "iss": "idp", "exp": time.time() + 600, **claims}
    return jwt.encode(
        {name: value for name, value in body.items() if value is not None},
        key,
        algorithm=algorithm,
        headers={"kid": kid},
    )


def test_tokens(signer: tuple[Any, Path]) -> None:
    key, keys = signer
    tokens = WebTokens(keys, "gw", "idp")
    assert tokens.subject_of(token(key)) == "ct"
    other = ec.generate_private_key(ec.SECP256R1())
    for wrong in (
        token(key, exp=time.time() - 60),
        token(key, exp=None),
        token(key, aud="other"),
        token(key, iss="other"),
        token(key, kid="k2"),
        token(other),
        token(None, algorithm="none"),
        token("0" * 32, algorithm="HS256"),
        "nonsense",
        "",
    ):
        assert tokens.subject_of(wrong) is None


def test_a_wrong_key_set_is_named(tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    with pytest.raises(ConfigError, match=r"cannot read .*jwks.json: No such file"):
        WebTokens(keys)
    keys.write_text("{}")
    with pytest.raises(ConfigError, match="is no JSON Web Key Set"):
        WebTokens(keys)
    shared = {"kty": "oct", "k": "AAAA", "alg": "HS256", "kid": "s"}
    keys.write_text(json.dumps({"keys": [shared]}))
    with pytest.raises(ConfigError, match="key 's' is for HS256"):
        WebTokens(keys)


def test_the_command(file: Path) -> None:
    def run(*arguments: str, passcode: str = "") -> tuple[int, str]:
        options = [*arguments, "--file", str(file)]
        done = CliRunner().invoke(app, options, input=f"{passcode}\n", obj=settings_of)
        return done.exit_code, done.output.strip() or str(done.exception)

    assert run("add", "ct", passcode="x") == (0, "ct: added")
    assert run("add", "ct", passcode="y") == (0, "ct: passcode changed")
    assert run("ls") == (0, "ct")
    assert run("check", "ct", passcode="y") == (0, "ct: right")
    assert run("check", "ct", passcode="x") == (1, "ct: wrong user or passcode")
    assert run("rm", "ct") == (0, "ct: removed")
    assert run("rm", "ct")[0] == 1


def test_peers_with_and_without_the_passcode(start_gateway, file: Path) -> None:
    UserFile(file).set("ct", "geheim")
    worker = f"[workers.users]\nworker = '{TARGET}'\noptions = {{file = '{file}'}}\n"
    rules = "[[policy.rules]]\nuser_identity = true\n"
    gateway = start_gateway(f"{worker}[policy]\nallow_plain_passwords = true\n{rules}")

    def echo(user: str, passcode: str) -> int:
        options = "--user", user, "--password", passcode
        return run_cli("echo", *gateway.address, *options).popen.returncode

    assert echo("ct", "geheim") == 0
    assert echo("ct", "falsch") == 1
    assert echo("nobody", "geheim") == 1
    log = gateway.program.err
    log.wait_for("type=2 user='ct' not verified")
    log.wait_for("did not verify the peer's user identity: correct the user at the peer")
    assert "geheim" not in log.text
    (gateway.folder / "gateway.toml").write_text(f"{worker}{rules}")
    assert run_cli("reload", "--data", gateway.data).popen.returncode == 0
    assert echo("ct", "geheim") == 1
    log.wait_for("sends a passcode without TLS, .* policy.allow_plain_passwords = true")

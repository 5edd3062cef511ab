"""`dicom-gateway config` looks whether the files and workers that are named exist."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from gateway.config import check_existing, load
from gateway.config.existing import OPTIONS, WORKERS
from gateway.destination_settings import service_at
from gateway.errors import ConfigError
from gateway.settings import (
    Destination,
    ForwardRoute,
    Settings,
    TlsSettings,
    WebSettings,
    WorkerTable,
)

if TYPE_CHECKING:
    from pathlib import Path

BASE = Settings()


def with_worker(name: str, **table: object) -> Settings:
    return replace(BASE, workers=BASE.workers | {name: WorkerTable(**table)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (replace(BASE, tls=TlsSettings("none.pem")), "certificate none.pem: No such file"),
        (replace(BASE, tls=TlsSettings(ca="ca.pem")), "tls.certificate is empty"),
        (replace(BASE, web=WebSettings(certificate="x.pem")), "certificate x.pem: No such file"),
        (
            replace(BASE, destinations={"PACS": Destination("a", 104, tls=True, tls_ca="c.pem")}),
            "destinations.PACS: TLS authority's certificate c.pem: No such file",
        ),
        (
            replace(
                BASE, destinations={"PACS": Destination("a", 80, url="http://a", token_file="none")}
            ),
            "destinations.PACS: token_file none: No such file",
        ),
        (with_worker("stroage"), "no worker 'stroage' is installed; there are "),
        (with_worker("mine", worker="quary"), "no worker 'quary' is installed"),
        (with_worker("mine", worker="none_such.x:worker"), "there is no module none_such.x in"),
    ],
)
def test_what_does_not_exist_is_named(settings: Settings, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_existing(settings)
    assert words in str(caught.value)


WEBHOOK = {"url": "http://127.0.0.1:1/x"}


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("audit", {"keep": 1}, "keep = 1: it must be 2 or more"),
        ("audit", {"syslog_server": "a:1"}, "there is no option 'syslog_server'"),
        ("complete", {"webhooks": [WEBHOOK]}, "webhooks: secret_file must be the path of a file"),
        ("complete", {"quiet": "60"}, "quiet = '60': it must be a number"),
        ("complete", {"web": {}, "webhock": {}}, "there is no option 'webhock'"),
        ("deidentify", {}, "key_file is missing"),
        ("mpps", {"send_to": ["RIS"]}, "send_to names 'RIS', which is not in [destinations]"),
        ("storage", {"durable": True}, "there is no option 'durable': this worker has none"),
        ("users", {"names_suffice": 1}, "names_suffice = 1: it must be true or false"),
        ("worklist", {}, "it needs a folder, the path of the worklist's files, or a database, or"),
        ("worklist", {"folder": "a", "hook": "b:c"}, "or a hook; not folder and hook"),
        ("worklist", {"hook": "b"}, "hook = 'b': it must be \"module:function\""),
        ("worklist", {"database": {"dsn": "a", "file": "b"}}, "dsn and file are two databases"),
        ("worklist", {"database": "ris"}, "database = 'ris': it must be a table"),
    ],
)
def test_options_of_stock_workers_are_checked(name: str, options: dict, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_existing(with_worker(name, options=options))
    assert str(caught.value).startswith(f"workers.{name}.options: ")
    assert words in str(caught.value)
    assert f"{name}: {name}" not in str(caught.value)


def test_every_stock_worker_has_its_options_checked() -> None:
    stock = {one.name for one in entry_points(group=WORKERS) if one.value.startswith("workers.")}
    assert stock <= {one.name for one in entry_points(group=OPTIONS)}


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (("[tls]", "# those of the modality", 'certificate = "none.pem"'), 3),
        (("[tls]", 'ca = "ca.pem"'), 1),
        (("[web]", "port = 0", 'certificate = "x.pem"'), 3),
        (("[destinations.A]", 'host = "a"', "port = 1", "tls = true", 'tls_ca = "c.pem"'), 5),
        (("[destinations]", 'A = "a:1"', "[workers.mine]", 'worker = "none_such:worker"'), 4),
        (("[workers]", "[workers.web]", "[workers.audit.options]", "keep = 1"), 3),
        (
            (
                "[destinations]",
                'A = "a:1"',
                "[[routes]]",
                'destinations = ["A"]',
                'hook = "none_such:x"',
            ),
            5,
        ),
    ],
)
def test_what_is_wrong_is_told_with_the_line_of_its_setting(tmp_path, lines, number) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("\n".join(lines))
    with pytest.raises(ConfigError) as caught:
        check_existing(load(file, environment={}), file)
    assert str(caught.value).startswith(f"{file}:{number}: ")


def test_secrets_that_go_out_in_plain_text_are_warned_of(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("a-secret\n")
    for url, count in (("http://a", 1), ("http://127.0.0.1:8042", 0), ("https://a", 0)):
        service = service_at(url)
        one = Destination(service.host, service.port, url=url, token_file=str(secret))
        assert len(check_existing(replace(BASE, destinations={"PACS": one}))) == count
    secret.write_text("two\nlines")
    with pytest.raises(ConfigError, match="one line with the secret"):
        check_existing(replace(BASE, destinations={"PACS": one}))


def test_what_exists_or_is_switched_off_is_right(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "here_is_one.py").write_text("raise RuntimeError('it is not imported')")
    monkeypatch.chdir(tmp_path)
    assert check_existing(BASE) == []
    assert check_existing(with_worker("mine", worker="here_is_one:worker")) == []
    assert check_existing(with_worker("mine", worker="none:x", enabled=False)) == []


def test_a_transform_that_nothing_starts_is_warned_of() -> None:
    routes = (ForwardRoute(destinations=("PACS",), transform=("deidentify",)),)
    settings = replace(
        BASE,
        archive=replace(BASE.archive, transform=("renaming",)),
        forward=replace(BASE.forward, routes=routes),
        destinations={"PACS": Destination("a", 104)},
    )
    told = [one for one in check_existing(settings) if "transform" in one]
    assert [one.partition(" ")[0] for one in told] == ["archive.transform", "routes[1].transform"]
    assert "'renaming', which this configuration does not start: nothing is kept" in told[0]
    assert "'deidentify', which this configuration does not start: nothing is sent" in told[1]

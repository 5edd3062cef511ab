"""Settings: file, environment, options; and one line that says what is wrong and what is right."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.config import is_ae_title, load, to_toml
from gateway.errors import ConfigError
from gateway.settings import Destination, Settings, WorkerTable, from_map, to_map

DEPLOYED = Path(__file__).parent.parent / "deploy" / "gateway.toml"


def read(tmp_path: Path, text: str = "", **environment: str) -> Settings:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    prefixed = {f"DICOM_GATEWAY_{name}": value for name, value in environment.items()}
    return load(file, environment=prefixed)


def wrong(tmp_path: Path, text: str = "", **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, **environment)
    line = str(caught.value)
    assert "\n" not in line
    return re.sub(r"(gateway\.toml):\d+:", r"\1:", line.replace(f"{tmp_path}/", ""))


def test_nothing_given_means_the_defaults() -> None:
    assert load(None, environment={}) == Settings()
    stock = "storage", "query", "retrieve", "commitment", "web"
    assert Settings().workers == dict.fromkeys(stock, WorkerTable())


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [gateway]
        port = 104
        drain_timeout = 3
        [policy]
        calling_ae_titles = ["CT1", "MR 1"]
        require = ["EVT_C_STORE"]
        [workers.mine]
        worker = "my_package.module:worker"
        processes = 4
        [workers.mine.options]
        depth = 3
        inner = {a = [1, 2]}
        """,
    )
    assert settings.gateway.port == 104
    assert settings.gateway.drain_timeout == 3.0
    assert settings.gateway.ae_title == "GATEWAY"
    assert settings.policy.calling_ae_titles == ("CT1", "MR 1")
    assert settings.workers["storage"] == WorkerTable()
    assert settings.workers["mine"] == WorkerTable(
        worker="my_package.module:worker",
        processes=4,
        options={"depth": 3, "inner": {"a": [1, 2]}},
    )


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "[gateway]\nport = 104\n[workers.Mine]\nprocesses = 2",
        GATEWAY__PORT="105",
        POLICY__UNRESTRICTED="true",
        POLICY__CALLING_AE_TITLES="CT1, MR1",
        WORKERS__STORAGE__ENABLED="false",
        WORKERS__MINE__CONCURRENCY="3",
        WORKERS__MINE__OPTIONS__DEPTH="4",
        WORKERS__MINE__OPTIONS__NAME="plain words",
    )
    assert settings.gateway.port == 105
    assert settings.policy.unrestricted is True
    assert settings.policy.calling_ae_titles == ("CT1", "MR1")
    assert not settings.workers["storage"].enabled
    assert settings.workers["Mine"] == WorkerTable(
        processes=2, concurrency=3, options={"depth": 4, "name": "plain words"}
    )


def test_an_option_wins_over_the_environment(tmp_path: Path) -> None:
    settings = load(
        None,
        environment={"DICOM_GATEWAY_GATEWAY__PORT": "105"},
        options={("gateway", "port"): 0, ("gateway", "host"): None},
    )
    assert settings.gateway.port == 0
    assert settings.gateway.host == "127.0.0.1"


def test_what_kubernetes_sets_beside_a_service_of_this_name_is_left_alone(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        PORT="tcp://10.0.0.1:11112",
        SERVICE_HOST="10.0.0.1",
        SERVICE_PORT="11112",
        SERVICE_PORT_DICOM="11112",
        PORT_11112_TCP="tcp://10.0.0.1:11112",
        PORT_11112_TCP_ADDR="10.0.0.1",
        CONFIG="/etc/x.toml",
    )
    assert settings == Settings()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[association]\nmax_pdoo = 3",
            "gateway.toml: association.max_pdoo = 3: there is no such setting; "
            "did you mean association.max_pdu?",
        ),
        (
            "[asociation]\nmax_pdu = 3",
            "gateway.toml: asociation = {max_pdu = 3}: there is no such setting; "
            "did you mean association?",
        ),
        (
            "[gateway]\nmax_pdu = 4096",
            "gateway.toml: gateway.max_pdu = 4096: there is no such setting; "
            "did you mean association.max_pdu?",
        ),
        (
            "[log]\nfile = 'x'",
            'gateway.toml: log.file = "x": there is no such setting; known: level, format, repeats',
        ),
        (
            "[gateway]\nport = 70000",
            "gateway.toml: gateway.port = 70000: it must be a whole number from 0 to 65535",
        ),
        (
            "[gateway]\nport = true",
            "gateway.toml: gateway.port = true: it must be a whole number from 0 to 65535",
        ),
        (
            "[association]\ndimse_timeout = nan",
            "gateway.toml: association.dimse_timeout = nan: "
            "it must be a number of seconds from 0.1 to 86400",
        ),
        (
            "[gateway]\ndurability = 'fast'",
            'gateway.toml: gateway.durability = "fast": it must be durable or written',
        ),
        (
            "[log]\nlevel = 'loud'",
            'gateway.toml: log.level = "loud": it must be debug, info, warning or error',
        ),
        (
            "[policy]\nrequire = ['EVT_C_STOR']",
            'gateway.toml: policy.require = "EVT_C_STOR": '
            "it must be a list of intervention events, such as EVT_C_STORE",
        ),
        ("association = 3", "gateway.toml: association = 3: it must be a table"),
        ("workers = 3", "gateway.toml: workers = 3: it must be a table"),
        ("[workers]\nstorage = 3", "gateway.toml: workers.storage = 3: it must be a table"),
        (
            "[workers.storage]\nprocesess = 3",
            "gateway.toml: workers.storage.procesess = 3: there is no such setting; "
            "did you mean workers.storage.processes?",
        ),
        (
            "[workers.mine]\nworker = 'a/b.py'",
            'gateway.toml: workers.mine.worker = "a/b.py": '
            "it must be the name of an installed worker, or MODULE:ATTRIBUTE",
        ),
        (
            "[gateway]\nport = = 1",
            "gateway.toml is not valid TOML: Invalid value (at line 2, column 8)",
        ),
    ],
)
def test_what_is_wrong_in_a_file(tmp_path: Path, text: str, line: str) -> None:
    assert wrong(tmp_path, text) == line


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        (
            "ASSOCIATION__MAX_PDOO",
            'environment variable DICOM_GATEWAY_ASSOCIATION__MAX_PDOO = "7": no such setting; '
            "did you mean DICOM_GATEWAY_ASSOCIATION__MAX_PDU?",
        ),
        (
            "HOST",
            'environment variable DICOM_GATEWAY_HOST = "7": no such setting; '
            "did you mean DICOM_GATEWAY_GATEWAY__HOST?",
        ),
        ("QUITE", 'environment variable DICOM_GATEWAY_QUITE = "7": no such setting'),
        (
            "LOG__LEVEL",
            'DICOM_GATEWAY_LOG__LEVEL: log.level = "7": it must be debug, info, warning or error',
        ),
        (
            "WORKERS__STORAGE__PROCESESS",
            'DICOM_GATEWAY_WORKERS__STORAGE__PROCESESS: workers.storage.procesess = "7": '
            "there is no such setting; did you mean workers.storage.processes?",
        ),
        (
            "WORKERS",
            'environment variable DICOM_GATEWAY_WORKERS = "7": no such setting',
        ),
    ],
)
def test_what_is_wrong_in_the_environment(tmp_path: Path, variable: str, line: str) -> None:
    assert wrong(tmp_path, **{variable: "7"}) == line


def test_what_is_wrong_in_an_option() -> None:
    with pytest.raises(
        ConfigError, match=r'^--ae-title: gateway\.ae_title = "A{17}": it must be 1'
    ):
        load(None, environment={}, options={("gateway", "ae_title"): "A" * 17})


def test_further_errors_are_counted(tmp_path: Path) -> None:
    assert wrong(tmp_path, "[gateway]\nport = -1\nhost = ''").endswith(" (and 1 more)")


def test_hostile_names_and_values_stay_on_their_line(tmp_path: Path) -> None:
    line = wrong(tmp_path, '[gateway]\n"a\\nb\\u001b" = "\\n\\u001b' + "x" * 500 + '"')
    assert "\x1b" not in line
    assert len(line) < 250


@pytest.mark.parametrize("name", ["a b", "../x", "", "x" * 65, "-x"])
def test_worker_names_are_plain(tmp_path: Path, name: str) -> None:
    assert "letters, digits" in wrong(tmp_path, f"[workers.'{name}']\nprocesses = 1")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*: No such file"):
        load(tmp_path / "none.toml", environment={})
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load(tmp_path / "bytes.toml", environment={})


@pytest.mark.parametrize("title", ["A", "GATEWAY", "MR 1", " X ", "A" * 16, "a-b_c.d"])
def test_ae_titles(title: str) -> None:
    assert is_ae_title(title)


@pytest.mark.parametrize("title", ["", " ", "A" * 17, "A\\B", "A\n", "\x00", "Ä", "A\x7f"])
def test_no_ae_titles(title: str) -> None:
    assert not is_ae_title(title)


def test_what_is_printed_is_read_again(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [gateway]
        host = "\\u007f\\t\\"ä"
        [workers."a.b"]
        options = {list = [1, 2.5, true], "a key" = {when = 2020-01-01}}
        """,
    )
    assert read(tmp_path, to_toml(settings)) == settings


def test_settings_survive_the_pipe() -> None:
    assert from_map(Settings, to_map(Settings())) == Settings()
    with pytest.raises(TypeError, match="ServeSettings has no setting prot"):
        from_map(Settings, {"gateway": {"prot": 1}})


def test_the_deployed_file_states_every_setting_with_its_default() -> None:
    assert load(DEPLOYED, environment={}) == Settings()
    stated = tomllib.loads(DEPLOYED.read_text())
    assert paths(stated) == paths(to_map(Settings()))


def test_the_deployed_file_explains_every_setting() -> None:
    lines = [line for line in DEPLOYED.read_text().splitlines() if re.match(r"\w+ = ", line)]
    assert lines
    assert all(re.search(r" # \S", line) for line in lines)


def paths(tables: dict[str, Any], above: str = "") -> set[str]:
    found = set()
    for name, value in tables.items():
        path = f"{above}{name}"
        found |= paths(value, f"{path}.") if isinstance(value, dict) and value else {path}
    return found


def test_destinations_are_named_by_ae_titles(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [destinations]
        STORE = "localhost:11113"
        "CT 1" = "[::1]:104"
        [destinations.OTHER]
        host = "pacs.example"
        port = 104
        ae_title = "PACS"
        """,
        DESTINATIONS__STORE="10.0.0.1:104",
        DESTINATIONS__MORE="10.0.0.2:105",
    )
    assert settings.destinations == {
        "STORE": Destination("10.0.0.1", 104),
        "CT 1": Destination("::1", 104),
        "OTHER": Destination("pacs.example", 104, "PACS"),
        "MORE": Destination("10.0.0.2", 105),
    }
    assert read(tmp_path, to_toml(settings)) == settings


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('A = "host"', 'destinations.A = "host": it must be "HOST:PORT", a URL or a table'),
        ("A = 104", 'destinations.A = 104: it must be "HOST:PORT", a URL or a table'),
        (
            'A = "host:70000"',
            "destinations.A.port = 70000: it must be a whole number from 1 to 65535",
        ),
        (
            'A = {host = "x"}',
            "destinations.A.port is missing: it must be a whole number from 1 to 65535",
        ),
        (
            'A = {host = "x", port = 1, title = "B"}',
            'destinations.A.title = "B": there is no such setting',
        ),
        ('A = "ftp://x/y"', 'destinations.A.url = "ftp://x/y": it must be http://HOST/... or'),
        ('A = {url = "https://me:secret@x/"}', "without name, password, query and fragment"),
        ('A = {url = "https://x/y", port = 104}', "destinations.A.url is in place of host and"),
        ('A = {host = "x", port = 1, user = "u"}', "destinations.A.user needs url: a DICOM"),
        ('A = {url = "https://x", confirm = "commitment"}', 'A.confirm = "commitment" needs an'),
        ('A = {url = "http://x", tls = true}', "destinations.A.tls = true needs a url that"),
        ('A = {url = "http://x", user = "u"}', "A.user and password_file need each other"),
        ('A = {url = "http://x", oauth_scope = "u"}', "oauth_secret_file need each other"),
        (
            'A = {url = "http://x", user = "u", password_file = "p", token_file = "t"}',
            "destinations.A.token_file excludes user: one of them is sent",
        ),
    ],
)
def test_what_is_wrong_with_a_destination(tmp_path: Path, text: str, line: str) -> None:
    assert line in wrong(tmp_path, f"[destinations]\n{text}")


def test_how_much_goes_to_a_destination_at_once(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [destinations]
        FAST = {host = "a", port = 104, operations = 32, associations = 4}
        """,
        DESTINATIONS__FAST__OPERATIONS="1",
    )
    assert settings.destinations == {"FAST": Destination("a", 104, operations=1, associations=4)}
    text = "[destinations]\nA = {host = 'a', port = 1, associations = 0}"
    assert "must be a whole number from 1 to 100" in wrong(tmp_path, text)


def test_a_destination_can_be_a_dicomweb_service(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [destinations]
        WEB = "https://pacs.example/dicom-web/"
        [destinations.MORE]
        url = "http://[::1]:8042/dicom-web"
        token_file = "token"
        """,
    )
    web, more = settings.destinations["WEB"], settings.destinations["MORE"]
    assert (web.host, web.port, web.is_tls) == ("pacs.example", 443, True)
    assert web.service.place + web.service.path == "https://pacs.example:443/dicom-web"
    assert (more.host, more.port, more.is_tls) == ("::1", 8042, False)
    assert more.service.place == "http://[::1]:8042"
    assert read(tmp_path, to_toml(settings)) == settings


def test_a_destination_has_the_name_of_an_ae_title(tmp_path: Path) -> None:
    assert "named with an AE title" in wrong(tmp_path, '[destinations]\n"A\\\\B" = "host:104"')


@pytest.mark.parametrize(("given", "read_as"), [('"auto"', "auto"), ("4", 4), ('"4"', 4)])
def test_a_number_of_acceptors_or_auto(tmp_path: Path, given: str, read_as: object) -> None:
    assert read(tmp_path, f"[gateway]\nacceptors = {given}").gateway.acceptors == read_as
    text = given.strip('"')
    assert read(tmp_path, GATEWAY__ACCEPTORS=text).gateway.acceptors == read_as


@pytest.mark.parametrize("given", ['"many"', "0", "65", "true", "2.5", '""'])
def test_any_other_number_of_acceptors_is_refused(tmp_path: Path, given: str) -> None:
    error = wrong(tmp_path, f"[gateway]\nacceptors = {given}")
    right = "a whole number from 1 to 64, or auto"
    assert error == f"gateway.toml: gateway.acceptors = {given}: it must be {right}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[gateway]\n# a comment\nport = 70000", 3),
        ("gateway.port = 70000", 1),
        ("\n[policy]\n[[policy.rules]]\nname = 'a'\n[[policy.rules]]\naddresses = ['x']", 6),
        ("[destinations]\nPACS = 'a:104'\n[destinations.'MY AE']\nhost = 'a'\nport = 0", 5),
        ("[workers.storage]\n\nprocesses = 0", 3),
        ("asociation = {max_pdu = 3}", 1),
        ("[destinations.'MY AE']\nurl = 'https://a'\n\nconfirm = 'commitment'", 4),
    ],
)
def test_an_error_in_the_file_names_the_line(tmp_path: Path, text: str, line: int) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=rf"gateway\.toml:{line}: "):
        load(file, environment={})

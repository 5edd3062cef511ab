"""The page's server beside a running gateway: address, token, probes, metrics."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from gateway.supervisor import ask_running
from tests.conftest import running
from tests.patience import WALL
from tests.peers import procfs, wire
from tests.peers.browser import Browser
from tests.peers.process import Gateway, run_cli
from tests.peers.raw import association
from workers.web.pages import Pages
from workers.web.views import Views

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = re.compile(r"page for operators: (?P<url>http://(?P<place>127\.0\.0\.1:\d+)/\?token=\S+)")
DEPLOY = Path(__file__).parents[2] / "deploy/README.md"
CONFIG = "[workers.web]\nenabled = true\n[web]\nport = 0\n"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running(CONFIG) as started:
        yield started


@pytest.fixture(scope="module")
def page(gateway: Gateway) -> re.Match:
    return gateway.program.out.wait_for(PAGE)


def get(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers=headers)
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    try:
        with opener.open(request, timeout=WALL) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def metrics(page: re.Match) -> dict:
    _, text = get(f"http://{page['place']}/metrics")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_serve_prints_an_address_that_opens_the_page(page: re.Match) -> None:
    status, text = get(page["url"])
    assert (status, "<title>DICOM gateway</title>" in text) == (200, True)
    assert get(f"http://{page['place']}/")[0] == 401
    assert get(f"http://{page['place']}/?token=wrong")[0] == 401


PROBES = ["/metrics", "/livez", "/readyz"]
NAMES = (
    "associations",
    "history",
    "senders",
    "destinations",
    "workers",
    "archive",
    "recordings",
    "health",
)
PAGES = ["/", *(f"/{name}" for name in NAMES)]
PATHS = [
    *PAGES,
    *(f"/live/{name}" for name in ("now", *(page[1:] for page in PAGES[1:]))),
    *(
        "/static/page.js",
        "/rates/day",
        "/trace/acceptor-0/0",
        "/search/studies",
        "/search/queue",
        "/recordings/x",
    ),
    *(f"/do/{what}-destination" for what in ("suspend", "resume")),
    *(f"/do/{what}" for what in ("record", "stop-recording", "delete-recording")),
    *(f"/do/{what}-queued" for what in ("retry", "drop")),
    *(f"/do/{what}" for what in ("abort", "drain", "resume", "restart", "swap", "accept", "drop")),
]


def test_every_route_of_the_page_is_tried_here() -> None:
    asked = {path.split("/")[1] for path in PATHS}
    routes = Pages(Views(None)).routes()  # type: ignore[arg-type] - nothing is asked of it
    assert {route.path.split("/")[1] for route in routes} == asked


@pytest.mark.parametrize("path", [*PATHS, *PROBES])
def test_a_foreign_name_gets_nothing(page: re.Match, path: str) -> None:
    status, text = get(f"http://{page['place']}{path}", Host="evil.example")
    assert (status, "evil.example" in text) == (403, True)
    status, _ = get(f"http://{page['place']}{path}", Origin="http://evil.example")
    assert status == 403


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_there_is_no_page(page: re.Match, path: str) -> None:
    assert get(f"http://{page['place']}{path}")[0] == 401
    assert get(f"http://{page['place']}{path}", Cookie="dicom_gateway_token=wrong")[0] == 401


def wait_ready(page: re.Match, status: int, reasons: list[str]) -> None:
    wanted = status, {"ready": not reasons, "reasons": reasons}

    def look() -> bool:
        found, text = get(f"http://{page['place']}/readyz")
        return (found, json.loads(text)) == wanted

    procfs.until(look, what=f"/readyz: {wanted}")


def test_alive_and_ready(page: re.Match) -> None:
    assert get(f"http://{page['place']}/livez") == (200, '{"alive":true}')
    wait_ready(page, 200, [])


def test_a_drained_gateway_is_alive_and_not_ready(gateway: Gateway, page: re.Match) -> None:
    wait_ready(page, 200, [])
    assert run_cli("drain", "--data", gateway.data).wait() == 0
    try:
        wait_ready(page, 503, ["the gateway is drained"])
        assert get(f"http://{page['place']}/livez")[0] == 200
    finally:
        assert run_cli("resume", "--data", gateway.data).wait() == 0


def test_what_peers_did_is_in_the_metrics(gateway: Gateway, page: re.Match) -> None:
    host, port = gateway.address
    for _ in range(2):
        done = run_cli("echo", host, port, "--aet", "METER", "--aec", "GATEWAY")
        assert done.wait() == 0, done.report()
    found = procfs.until(
        lambda: (
            (told := metrics(page)).get(
                ("dicom_gateway_associations_total", "GATEWAY", "METER", "released")
            )
            == 2
            and told
        ),
        what="two associations in the metrics",
    )
    assert found["dicom_gateway_requests_total", "0000", "C-ECHO", "GATEWAY", "METER"] == 2
    assert found["dicom_gateway_received_bytes_total", "GATEWAY", "METER"] > 0
    assert found["dicom_gateway_process_up", "storage-0"] == 1


def test_a_taken_port_is_told_and_harms_nobody(page: re.Match) -> None:
    port = page["place"].rpartition(":")[2]
    with running(f"[workers.web]\nenabled = true\n[web]\nport = {port}\n") as second:
        status = json.loads(run_cli("status", "--json", "--data", second.data).out.text)
        assert status["state"] == "degraded"
        assert (
            f"web-0: cannot listen at 127.0.0.1:{port}: Address already in use"
            in (status["reasons"])
        )


def test_the_documented_metrics_are_those_that_are_told(page: re.Match) -> None:
    rows = re.findall(r"^\| `(dicom_gateway_\w+)` \| (\w+) \| (.*?) \|", DEPLOY.read_text(), re.M)
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    _, text = get(f"http://{page['place']}/metrics")
    for family in text_string_to_metric_families(text):
        name = family.name + "_total" * (family.type == "counter")
        kind, labels = documented[name]
        assert kind == family.type
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels


def operator(page: re.Match) -> urllib.request.OpenerDirector:
    """Somebody who has opened the address with the token."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    opener.open(page["url"], timeout=WALL).close()
    return opener


def messages(opener: urllib.request.OpenerDirector, page: re.Match, path: str) -> Iterator[dict]:
    with opener.open(f"http://{page['place']}{path}", timeout=WALL) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


def test_a_foreign_page_can_change_nothing(gateway: Gateway, page: re.Match) -> None:
    opener = operator(page)
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        asked = urllib.request.Request(
            f"http://{page['place']}/do/drain", method="POST", headers=headers, data=b"{}"
        )
        with pytest.raises(urllib.error.HTTPError, match="403"):
            opener.open(asked, timeout=WALL)
    status = json.loads(run_cli("status", "--json", "--data", gateway.data).out.text)
    assert not status["drained"]


def test_an_association_is_seen_followed_and_aborted(gateway: Gateway, page: re.Match) -> None:
    opener = operator(page)
    with association(gateway.address, wire.context(1, wire.VERIFICATION), calling="SEEN") as peer:
        live = messages(opener, page, "/live/associations?search=seen")
        (row,) = next(told["rows"] for told in live if told["rows"])
        assert (row["calling"], row["state"]) == ("SEEN", "Sta6")
        assert row["waits_for"] == "the peer's next request"
        live.close()
        trace = messages(opener, page, f"/trace/{row['acceptor']}/{row['id']}")
        next(trace)
        assert peer.echo().status == 0
        records: list[dict] = []
        while "C-ECHO-RSP 1, status 0000" not in [one["text"] for one in records]:
            records += next(trace)["records"]
        assert records[0] | {"time": 0} == {
            "time": 0,
            "event": "EVT_FSM_TRANSITION",
            "text": "Sta6 Evt10 DT-2 Sta6",
            "state": "Sta6",
        }
        body = json.dumps({"acceptor": row["acceptor"], "id": row["id"]}).encode()
        opener.open(f"http://{page['place']}/do/abort", body, timeout=WALL).close()
        assert peer.recv_pdu()[:1] == b"\x07", "an A-ABORT"
        assert any("over" in told for told in trace)
    ended = messages(opener, page, "/live/history?search=seen")
    (row,) = next(told["rows"] for told in ended if told["rows"])
    assert (row["ended"], row["statuses"]) == ("aborted", "C-ECHO:0000=1")
    assert row["why"] == "a worker aborted the association"
    ended.close()


def do(opener: urllib.request.OpenerDirector, page: re.Match, what: str, **body: str) -> dict:
    """What the page answers when something is to be done."""
    asked = urllib.request.Request(
        f"http://{page['place']}/do/{what}", json.dumps(body).encode(), method="POST"
    )
    try:
        with opener.open(asked, timeout=WALL) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error) | {"status": error.code}


def process_of(gateway: Gateway, name: str) -> dict:
    told = ask_running(gateway.data, "status")
    return next(one for w in told["workers"] for one in w["processes"] if one["name"] == name)


def test_a_worker_is_restarted_and_swapped(gateway: Gateway, page: re.Match) -> None:
    opener = operator(page)
    first = process_of(gateway, "query-0")
    assert do(opener, page, "restart", name="query-0") == {}
    second = process_of(gateway, "query-0")
    assert (second["restarts"], second["state"]) == (first["restarts"] + 1, "ready")
    assert do(opener, page, "swap", name="query") == {}
    third = process_of(gateway, "query-0")
    assert len({one["pid"] for one in (first, second, third)}) == 3
    procfs.until(
        lambda: ask_running(gateway.data, "status")["state"] == "ok", what="a gateway that is ok"
    )
    session = r"session=[0-9a-f]{8} host=127\.0\.0\.1 asks for: "
    gateway.program.err.wait_for(session + "restart 'query-0'")
    gateway.program.err.wait_for(session + "swap 'query'")


def test_what_cannot_be_done_is_refused_in_words(page: re.Match) -> None:
    opener = operator(page)
    assert do(opener, page, "restart") == {"error": "name a worker or a process", "status": 400}
    told = do(opener, page, "restart", name="<b>")
    assert told["error"].startswith("there is no process or worker '<b>'; there are acceptor-0")
    assert told["status"] == 503
    told = do(opener, page, "swap", name="web")
    assert told["error"] == "web keeps its port until it has left: restart it"
    told = do(opener, page, "drop", path="../../etc/passwd")
    assert "nothing was set aside as '../../etc/passwd'" in told["error"]
    assert do(opener, page, "drop-queued") == {"error": "name a destination", "status": 400}
    told = do(opener, page, "retry-queued", destination="PACS", number="1 OR 1")
    assert told == {"error": "name a destination", "status": 400}
    assert do(opener, page, "accept") == {"error": "name a file that was set aside", "status": 400}


def test_an_association_that_is_over_cannot_be_followed(page: re.Match) -> None:
    (told,) = messages(operator(page), page, "/trace/acceptor-0/0123456789ab")
    assert told == {"error": "the association does not exist, or is over"}


def write_hostile(path: Path, uid: str = "1.2.3.4", **more: str) -> None:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, uid
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    made.PatientName, made.PatientID = '<img src=x onerror="x">', "\u202eright to left"
    for keyword, value in more.items():
        setattr(made, keyword, value)
    dcmwrite(path, made, enforce_file_format=True)


HOSTILE = "<b>\"&'"
"""An AE title, which has at most 16 characters."""


def test_the_time_of_each_stage_is_measured(
    gateway: Gateway, page: re.Match, tmp_path: Path
) -> None:
    image = tmp_path / "image.dcm"
    write_hostile(image)
    stored = run_cli("store", *gateway.address, image, "--aec", "GATEWAY")
    assert stored.wait() == 0, stored.report()

    def all_told() -> bool:
        told = metrics(page)
        names = [("storage_sync",), ("storage_commit",), ("handler", "EVT_C_STORE", "storage-0")]
        names += [(name, "C-STORE") for name in ("receive", "wait", "response")]
        return all(
            told.get((f"dicom_gateway_{name}_seconds_count", *labels), 0) >= 1
            for name, *labels in names
        )

    procfs.until(all_told, what="every stage in the metrics")
    told = metrics(page)
    assert told["dicom_gateway_requests_waiting", "acceptor-0", "storage"] == 0
    assert told["dicom_gateway_worker_credit", "acceptor-0", "storage"] >= 1
    for process in ("acceptor-0", "storage-0", "web-0"):
        assert told["dicom_gateway_log_lines_dropped_total", process] == 0
    assert told["dicom_gateway_notifications_lost_total", "web-0"] == 0


def store_conflicts(gateway: Gateway, tmp_path: Path, uid: str) -> None:
    """An instance, and two others under its UID."""
    for name in ("Stored^First", "Aside^One", "Aside^Two"):
        path = tmp_path / f"{uid}-{name}.dcm"
        more = {"StudyInstanceUID": f"{uid}.1", "SeriesInstanceUID": f"{uid}.2"}
        write_hostile(path, uid=uid, PatientName=name, **more)
        stored = run_cli("store", *gateway.address, path, "--aec", "GATEWAY")
        assert stored.wait() in (0, 1), stored.report()


def searched(opener: urllib.request.OpenerDirector, page: re.Match, what: str) -> dict:
    with opener.open(f"http://{page['place']}/search/{what}", timeout=WALL) as answer:
        return json.load(answer)


def test_conflicts_are_compared_accepted_and_dropped(
    gateway: Gateway, page: re.Match, tmp_path: Path
) -> None:
    opener, uid = operator(page), "1.2.3.40"
    store_conflicts(gateway, tmp_path, uid)

    def aside() -> list[dict]:
        rows = searched(opener, page, "conflicts")["rows"]
        return [row for row in rows if row["SOPInstanceUID"] == uid]

    one, two = aside()
    found = searched(opener, page, f"differences?uid={one['path']}")
    names = {"element": "(0010,0010) PatientName", "stored": "Stored^First", "aside": "Aside^One"}
    assert found == {"rows": [names], "more": False}
    assert do(opener, page, "accept", path=one["path"]) == {}
    found = searched(opener, page, f"differences?uid={two['path']}")
    assert found["rows"] == [names | {"stored": "Aside^One", "aside": "Aside^Two"}]
    assert do(opener, page, "drop", path=two["path"]) == {}
    assert aside() == []
    verified = run_cli("archive", "verify", "--data", gateway.data)
    assert verified.wait() == 0, verified.report()


@pytest.mark.peer("chromium")
def test_a_browser_opens_every_page(gateway: Gateway, page: re.Match, tmp_path: Path) -> None:
    image = tmp_path / "image.dcm"
    write_hostile(image)
    for command in (("echo",), ("store", image)):
        done = run_cli(
            command[0], *gateway.address, *command[1:], "--aet", HOSTILE, "--aec", "GATEWAY"
        )
        assert done.wait() == 0, done.report()
    host = f"http://{page['place']}"
    wanted = {
        "": ("Requests in flight", HOSTILE),
        "associations": ("1 open", HOSTILE, "Sta6: 1"),
        "history": (HOSTILE, "released", "C-STORE:0000=1"),
        "senders": (HOSTILE, " known, 0 silent."),
        "destinations": ("Nothing is sent on",),
        "workers": ("storage-0", "EVT_C_STORE", "● answers"),
        "archive": ('<img src=x onerror="x">', "\\u202eright to left", "No file was set aside"),
        "recordings": ("Nothing was recorded.",),
        "health": ("acceptor-0", "It can accept associations and store instances."),
    }
    with (
        association(gateway.address, wire.context(1, wire.VERIFICATION), calling=HOSTILE),
        Browser(tmp_path) as browser,
    ):
        browser.open(page["url"])
        browser.show(1280, 760)
        for name, texts in wanted.items():
            browser.wait_for("document.querySelector('#state').textContent === 'ok'")
            browser.open(f"{host}/{name}")
            for text in texts:
                browser.wait_for(f"document.body.innerText.includes({json.dumps(text)})")
            assert not browser.run("document.querySelector('main b, main img') !== null")
            assert browser.cut_tables() == []
        browser.open(f"{host}/associations")
        browser.wait_for("document.querySelector('tbody button') !== null")
        browser.run("document.querySelector('tbody button').click()")
        browser.wait_for("document.querySelector('.machine .lit').textContent.includes('Sta6')")
        store_conflicts(gateway, tmp_path, "1.2.3.50")
        browser.open(f"{host}/archive")
        browser.wait_for(f"{FIRST_OF}('Compare') !== undefined")
        browser.run("window.confirm = () => true")
        browser.run(f"{FIRST_OF}('Compare').click()")
        browser.wait_for("document.body.innerText.includes('Aside^One')")
        browser.run(f"{FIRST_OF}('Drop').click()")
        browser.wait_for("document.body.innerText.includes('1 file was set aside')")
        browser.open(f"{host}/workers")
        browser.wait_for(f"{FIRST_OF}('Restart') !== undefined")
        browser.run("window.confirm = () => true")
        label = json.dumps("Restart the process query-0")
        browser.run(f"document.querySelector('[aria-label={label}]').click()")
        browser.wait_for("document.body.innerText.includes('query-0 was restarted.')")
        assert not browser.errors


FIRST_OF = (
    "((text) => [...document.querySelectorAll('button')].find((b) => b.textContent === text))"
)
"""A function of the page that returns the first button with a text."""


def test_settings_of_the_page_change_while_it_runs(start_gateway) -> None:
    gateway = start_gateway(CONFIG)
    page = gateway.program.out.wait_for(PAGE)
    pid = process_of(gateway, "web-0")["pid"]

    def reload(text: str) -> tuple[int, str]:
        (gateway.folder / "gateway.toml").write_text(CONFIG + text)
        program = run_cli("reload", "--data", gateway.data)
        return program.popen.returncode, program.out.text + program.err.text

    assert get(f"http://{page['place']}/livez", Host="pacs.example")[0] == 403
    status, text = reload('names = ["pacs.example"]\nprobes = "127.0.0.1:0"\n')
    assert (status, "changed: web.names, web.probes" in text) == (0, True), text

    def new_page() -> str:
        told = process_of(gateway, "web-0")
        return told["page"].split("/?")[0] if "probes" in told else ""

    where = procfs.until(new_page, what="the page at its new address")
    assert get(f"{where}/livez", Host="pacs.example")[0] == 200
    status, text = reload('host = "0.0.0.0"\n')
    assert (status, "nothing has changed: web-0: web.host" in text) == (2, True), text
    assert get(f"{where}/livez", Host="pacs.example")[0] == 200
    assert process_of(gateway, "web-0")["pid"] == pid

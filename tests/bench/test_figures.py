"""Medians, the bar and the chart, of figures that are given."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import bar, document, plot
from tests.bench.bar import CT, LARGE, SMALL, Term, judge
from tests.bench.clients import Measured
from tests.bench.figures import Case, Figures, size_of, size_text
from tests.bench.servers import SERVERS, chosen

CASE = Case("prepared", CT, 10)
TERM = Term("gateway-durable", "pynetdicom", 5, sizes=(CT,), associations=(10,))


def only(**rates):
    """One verdict on these rates at one load."""
    named = {name.replace("_", "-"): rate for name, rate in rates.items()}
    (verdict,) = judge(lambda case, server: named.get(server) if case == CASE else None, [TERM])
    return verdict


def test_bar_is_reached_at_the_ratio_that_is_asked():
    assert only(gateway_durable=500, pynetdicom=100).reached
    verdict = only(gateway_durable=499, pynetdicom=100)
    assert (verdict.reached, verdict.ratio, verdict.asked) == (False, 4.99, 5)


def test_no_more_is_asked_than_a_share_of_the_sink_of_the_same_kind():
    verdict = only(gateway_durable=240, pynetdicom=100, sink_sync=300, sink=9000)
    assert (verdict.reached, verdict.capped) == (True, True)
    assert verdict.asked == pytest.approx(2.4)
    assert verdict.of_sink == pytest.approx(0.8)
    assert not only(gateway_durable=239, pynetdicom=100, sink_sync=300).reached
    assert not only(gateway_durable=499, pynetdicom=100, sink_sync=9000).capped


def test_a_peer_that_fails_is_passed_and_a_gateway_that_fails_is_not():
    verdict = only(gateway_durable=1, pynetdicom=0)
    assert (verdict.reached, verdict.ratio, verdict.asked) == (True, None, None)
    assert not only(gateway_durable=0, pynetdicom=100).reached
    assert not only(gateway_durable=0, pynetdicom=0).reached


def test_what_was_not_measured_is_not_judged():
    assert judge(lambda case, server: None) == []
    assert judge(lambda case, server: 1.0 if server != "dcmtk" else None, [bar.TERMS[6]]) == []


def test_every_term_speaks_of_servers_that_there_are():
    for term in bar.TERMS:
        assert {term.ours, term.theirs, bar.SINKS[term.ours]} <= set(SERVERS)
    judged = judge(lambda case, server: 1.0)
    assert len({(one.term, one.case) for one in judged}) == len(judged) == 4 + 2 * 2 + 4 + 2 + 2 * 4


def figures(*rates_of_rounds, server="sink"):
    found = Figures({"rounds": len(rates_of_rounds), "cores": 2})
    for rate in rates_of_rounds:
        measured = Measured(rate=rate, count=3) if rate else Measured(reason="it left")
        found.add(CASE, server, measured)
    return found


def test_median_of_the_rounds():
    assert figures(5, 1, 3).median(CASE, "sink") == Measured(rate=3, count=3)
    assert figures(5).median(CASE, "dcmtk") is None
    assert figures(5).rate(CASE, "dcmtk") is None


def test_one_failure_is_a_failure():
    assert figures(5, 0, 3).median(CASE, "sink") == Measured(reason="it left")
    assert figures(5, 0, 3).rate(CASE, "sink") == 0


def test_figures_survive_json():
    one = figures(5, 1, 3)
    assert Figures.from_json(one.to_json()) == one


def test_chart_is_xml_with_every_server_and_load():
    found = figures(1234.5)
    for server in SERVERS:
        for case in (Case("prepared", SMALL, 1), Case("prepared", LARGE, 100)):
            found.add(case, server, Measured(rate=0.5))
    found.add(Case("prepared", CT, 1), "orthanc", Measured(reason="<&>"))
    root = ElementTree.fromstring(plot.svg(found))
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {server.title for server in SERVERS.values()} <= set(texts)
    assert {"8 KB, 1 association", "30 MB, 100 associations", "1.2k", "fails"} <= set(texts)


def test_a_chart_of_nothing_is_xml():
    ElementTree.fromstring(plot.svg(Figures()))


@pytest.mark.parametrize(("text", "size"), [("8k", SMALL), ("512K", CT), ("30m", LARGE), ("7", 7)])
def test_sizes(text, size):
    assert size_of(text) == size
    assert size_of(size_text(size).replace(" ", "").rstrip("B")) == size


def test_servers_are_chosen_by_name():
    servers, absent = chosen("gateway,pynetdicom")
    assert [one.name for one in servers] == ["pynetdicom", "gateway-written", "gateway-durable"]
    assert absent == {}
    with pytest.raises(ValueError, match="no server dicom"):
        chosen("dicom")


def test_the_document_has_the_figures_between_its_marks(tmp_path):
    found = Figures({"rounds": 3, "cores": 2})
    for server, rate in (("pynetdicom", 392.4), ("gateway-durable", 2086.1)):
        found.add(CASE, server, Measured(rate=rate, count=9, server_cpu=0.00123))
    (tmp_path / "tests/bench/figures").mkdir(parents=True)
    documents = tmp_path / "README.md", tmp_path / "tests/bench/README.md"
    for one in documents:
        one.write_text("before\n<!-- peers: begin -->\nold\n<!-- peers: end -->\nafter\n")
    for _ in range(2):  # what it writes, it finds again
        document.write(found, tmp_path)
    summary, tables = (one.read_text() for one in documents)
    assert summary.startswith("before\n<!-- peers: begin -->\nC-STORE of 512 KB")
    assert "pynetdicom 392, Orthanc -, " in summary
    assert "| **gateway, durable** | 2086 |" in tables
    assert "| **gateway, durable** | 1.23 |" in tables
    assert "old" not in summary + tables
    assert tables.endswith("<!-- peers: end -->\nafter\n")
    ElementTree.fromstring((tmp_path / "tests/bench/figures/peers.svg").read_text())


def retrieved(**rates):
    """What each server gave back of 512 KB; its processor time is a millionth of its rate."""
    found = Figures({"rounds": 3, "cores": 2, "count": 500, "acceptors": 2})
    for server, rate in rates.items():
        for operation in ("C-GET", "C-MOVE"):
            case = Case(operation, CT, 10)
            found.add(case, server, Measured(rate=rate, count=9, server_cpu=rate / 1e6))
    return found


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [
        ({"gateway": 300, "dcmqrscp": 290, "orthanc": 300}, ("1.00", "1.03", "reached")),
        ({"gateway": 300, "dcmqrscp": 290, "orthanc": 301}, ("1.00", "1.03", "not reached")),
        ({"gateway": 300, "dcmqrscp": 149, "orthanc": 9}, ("2.01", "2.01", "not reached")),
        ({"gateway": 300, "orthanc": 150}, ("2.00", "-", "")),
        ({"dcmqrscp": 300}, ("-", "-", "")),
    ],
)
def test_what_is_asked_of_giving_back(rates, verdict):
    found = retrieved(**rates)
    assert bar.judge_retrieval(found, Case("C-GET", CT, 10)) == verdict


def test_the_document_has_what_was_given_back(tmp_path):
    (tmp_path / "tests/bench/figures").mkdir(parents=True)
    readme = tmp_path / "tests/bench/README.md"
    readme.write_text("a\n<!-- retrieve: begin -->\nold\n<!-- retrieve: end -->\nb\n")
    document.write_retrieved(retrieved(gateway=300, dcmqrscp=200), tmp_path)
    assert "| C-GET 512 KB x10 | 300 (0.3) | 200 (0.2) | 1.50 | 1.50 | reached |" in (
        readme.read_text()
    )
    root = ElementTree.fromstring((tmp_path / "tests/bench/figures/retrieve.svg").read_text())
    texts = {one.text for one in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"DCMTK dcmqrscp", "C-GET, 512 KB, 10 associations", "300"} <= texts
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="has no <!-- retrieve: begin -->"):
        document.write_retrieved(retrieved(gateway=300), tmp_path)


def test_the_documents_of_this_checkout_have_the_marks():
    checkout = Path(__file__).parents[2]
    bench = "tests/bench/README.md"
    for name, mark in (("README.md", "peers"), (bench, "peers"), (bench, "retrieve")):
        text = (checkout / name).read_text()
        assert text.count(f"<!-- {mark}: begin -->") == text.count(f"<!-- {mark}: end -->") == 1

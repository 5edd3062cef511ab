"""The report as a page: it needs nothing but itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from gateway.load import result_text
from gateway.load.arguments import ramp
from gateway.load.chart import Axis, nice_step
from gateway.load.load_plan import Plan, Rate
from gateway.load.page import page
from gateway.load.result import SLICES, LoadResult
from gateway.load.tally import Tally
from tests.load.fake import Script, serving

VOID = {"meta", "br", "line", "rect", "circle", "polyline", "path"}


class _Balance(HTMLParser):
    """Every tag that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onload"}

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text() -> str:
    """The page of a load with everything in it."""
    import asyncio

    from gateway.load.coordinator import Coordinator

    script = Script(
        status=lambda number: 0xA700 if number == 7 else 0,
        reject=lambda number: (2, 3, 2) if number == 1 else None,
        delay=lambda number: 0.002,
    )
    with serving(script) as server:
        plan = Plan("127.0.0.1", server.port, "echo", associations=3, rate=ramp("20:200:2s"))
        result = asyncio.run(Coordinator(plan, lambda _: None, print).run())
    result.command = "dicom-gateway load <host> 104 --ramp '20:200:2s' & more"
    return page(result)


def test_the_page_has_everything(text) -> None:
    for title in (
        "Latency over time",
        "Offered and achieved load",
        "Errors and unfinished operations",
        "Distribution of latency",
        "Ramp",
        "Statuses",
        "Rejected associations",
    ):
        assert f"<h2>{title}</h2>" in text
    assert "dicom-gateway load &lt;host&gt; 104 --ramp &#x27;20:200:2s&#x27; &amp; more" in text
    assert "failure (status 0xA700)" in text
    assert "local limit exceeded" in text
    assert text.count("<svg") == 4
    for tile in ("verdict", "MB/s", "unfinished", "max"):
        assert f"</b>{tile}</div>" in text
    assert '<b><span class="bad">failed</span></b>verdict' in text


def test_the_highest_latency_is_drawn_below_the_others_and_broader(text) -> None:
    chart = text.partition("Latency over time")[2].partition("</svg>")[0]
    kinds = re.findall(r"<polyline( class=\"broad\")? ", chart)
    assert [bool(one) for one in kinds] == [True, False, False]


def test_unfinished_operations_are_those_at_the_end_of_each_slice() -> None:
    result = LoadResult(Plan("h", 1))
    result.slices = {
        0: Tally(offered=10, answered=7),
        2: Tally(offered=1, answered=1, unanswered=2),
    }
    assert result.unfinished() == [3, 3, 1]


def test_the_page_is_whole_and_self_contained(text) -> None:
    parser = _Balance()
    parser.feed(text)
    assert parser.open == []
    assert not parser.seen & {"script", "link", "img", "iframe", "object"}
    assert not re.search(r"https?://|url\(|@import", text)
    for number in re.findall(r' (?:x|y|x1|y1|cx|cy|width|height)="([^"]*)"', text):
        assert float(number) >= 0


def test_a_load_without_an_answer_has_a_page_as_well() -> None:
    result = LoadResult(Plan("h", 1))
    result.failure = "no association: <nobody> there"
    text = page(result)
    assert "no association: &lt;nobody&gt; there" in text
    assert "there is nothing to draw" in text


def test_long_runs_have_wider_slices() -> None:
    result = LoadResult(Plan("h", 1))
    for number in range(SLICES * 5):
        result.slice_of(number).answered += 1
    assert len(result.slices) <= SLICES
    assert result.slice_width == 4.0
    assert sum(one.answered for one in result.slices.values()) == SLICES * 5
    assert {one.answered for one in result.slices.values()} == {8}


def test_a_knee_below_the_first_step_and_above_the_last() -> None:
    result = LoadResult(Plan("h", 1, rate=Rate(10, 20, 2.0, 2)))
    assert result.knee is not None
    assert (result.knee.offered, result.knee.broken_at) == (None, 10)
    for step in range(2):
        result.steps[step] = Tally(offered=10, answered=10)
    assert result.knee is not None
    assert (result.knee.offered, result.knee.broken_at) == (20, None)


def test_the_knee_is_below_the_first_step_that_the_peer_does_not_keep_up_with() -> None:
    result = LoadResult(Plan("h", 1, rate=Rate(10, 40, 4.0, 4)))
    for step, answered in enumerate((10, 20, 15, 40)):
        result.steps[step] = Tally(offered=10 * (step + 1), answered=answered)
    assert result.knee is not None
    assert (result.knee.offered, result.knee.broken_at) == (20, 30)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0"), (2.5e-6, "2.5 us"), (0.00123, "1.23 ms"), (61, "61 s")]
)
def test_durations_in_words(seconds, text) -> None:
    assert result_text.span(seconds) == text


def test_steps_of_an_axis_are_round() -> None:
    assert [nice_step(value) for value in (0.0, 0.9, 1.1, 3, 70)] == [1, 1, 2, 5, 100]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0005, 2.0, [0.001, 0.01, 0.1, 1.0]),
        (0.0015, 0.012, [0.002, 0.005, 0.01]),
        (0.0021, 0.0049, [0.003, 0.004]),
    ],
)
def test_a_logarithmic_axis_can_be_read_however_short(low, high, ticks) -> None:
    axis = Axis(low, high, "latency", result_text.span, logarithmic=True)
    assert axis.ticks() == pytest.approx(ticks)

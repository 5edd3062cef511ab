"""The bar: by how much this gateway means to be ahead of whom. It is printed, and never fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.archives import DCMQRSCP, ORTHANC, OURS
from tests.bench.figures import Case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.bench.figures import Figures

SMALL, CT, LARGE = 8 * 1024, 512 * 1024, 30 * 1024 * 1024
CAP = 0.8
"""The share of the figure of the bare sink of the same kind that is always enough."""
SINKS = {"gateway-durable": "sink-sync", "gateway-written": "sink"}


@dataclass(frozen=True)
class Term:
    """One thing asked: at these loads, so many times what that server does."""

    ours: str
    theirs: str
    times: float
    client: str = "prepared"
    sizes: tuple[int, ...] = (SMALL, CT, LARGE)
    associations: tuple[int, ...] = (1, 10, 100)

    def cases(self) -> Iterable[Case]:
        return (Case(self.client, s, a) for s in self.sizes for a in self.associations)


_STORED = (SMALL, CT)
DURABLE, WRITTEN = "gateway-durable", "gateway-written"
TERMS = (
    Term(DURABLE, "pynetdicom", 6, sizes=(SMALL,), associations=(10,)),
    Term(DURABLE, "pynetdicom", 7, sizes=(CT,), associations=(10,)),
    Term(WRITTEN, "pynetdicom", 12, sizes=(SMALL,), associations=(10,)),
    Term(WRITTEN, "pynetdicom", 9, sizes=(CT,), associations=(10,)),
    Term(DURABLE, "orthanc", 15, sizes=_STORED, associations=(10,)),
    Term(DURABLE, "orthanc", 4, sizes=_STORED, associations=(100,)),
    Term(DURABLE, "dcmtk", 0.65, sizes=(CT,), associations=(10,)),
    Term(DURABLE, "dcmtk", 0.7, sizes=(CT,), associations=(100,)),
    Term(WRITTEN, "dcmtk", 0.9, sizes=(CT,), associations=(10, 100)),
    Term(DURABLE, "sink-sync", 0.55, sizes=(CT,), associations=(10,)),
    Term(DURABLE, "sink-sync", 0.5, sizes=(SMALL,), associations=(100,)),
    Term(DURABLE, "dcmtk", 10, "storescu", _STORED, (1, 10)),
    Term(WRITTEN, "dcmtk", 15, "storescu", _STORED, (1, 10)),
)

TO_PEERS, TO_CPU = 1.0, 2.0
"""Asked of a C-GET and a C-MOVE: the rate of the faster peer, and at most so often the processor
time that dcmqrscp takes."""


def judge_retrieval(figures: Figures, case: Case) -> tuple[str, str, str]:
    """Our rate to the faster peer's, our CPU to dcmqrscp's, and what that is; `-` for no figure."""
    ours = figures.median(case, OURS)
    peers = [rate for name in (DCMQRSCP, ORTHANC) if (rate := figures.rate(case, name))]
    dcmqrscp = figures.median(case, DCMQRSCP)
    speed = ours.rate / max(peers) if ours and peers else None
    cpu = ours.server_cpu / dcmqrscp.server_cpu if ours and dcmqrscp else None
    verdict = ""
    if case.client != "C-FIND" and speed is not None and cpu is not None:
        is_reached = speed >= TO_PEERS and cpu <= TO_CPU
        verdict = "reached" if is_reached else "not reached"
    return *("-" if one is None else f"{one:.2f}" for one in (speed, cpu)), verdict


@dataclass(frozen=True)
class Verdict:
    """A term at one load."""

    term: Term
    case: Case
    ratio: float | None
    """None: the other one failed."""
    asked: float | None
    """The ratio that is the bar here; less than the term's where the sink is near."""
    capped: bool
    of_sink: float | None
    """Our share of the figure of the sink of our kind, if that was measured."""
    reached: bool


def judge(
    rate: Callable[[Case, str], float | None], terms: Iterable[Term] = TERMS
) -> list[Verdict]:
    """Every term at every load where both were measured; `rate` as `Figures.rate`."""
    found = (_judge(rate, term, case) for term in terms for case in term.cases())
    return [verdict for verdict in found if verdict is not None]


def _judge(rate: Callable[[Case, str], float | None], term: Term, case: Case) -> Verdict | None:
    ours, theirs = rate(case, term.ours), rate(case, term.theirs)
    if ours is None or theirs is None:
        return None
    sink = rate(case, SINKS[term.ours])
    bar = term.times * theirs
    capped = bool(sink) and bar > CAP * sink
    if capped:
        bar = CAP * sink
    return Verdict(
        term,
        case,
        ours / theirs if theirs else None,
        bar / theirs if theirs else None,
        capped,
        ours / sink if sink else None,
        ours > 0 and ours >= bar,
    )


def reached(figures: Figures) -> tuple[int, int]:
    """How many of how many."""
    verdicts = judge(figures.rate)
    return sum(one.reached for one in verdicts), len(verdicts)

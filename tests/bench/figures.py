"""The figures of a comparison: of each client, load and server those of all rounds."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from tests.bench.clients import Measured


class Case(NamedTuple):
    """The content of one column of a client's table."""

    client: str
    size: int
    associations: int

    @property
    def title(self) -> str:
        return f"{size_text(self.size)} x{self.associations}"


@dataclass
class Figures:
    """Measurements in the order in which they came, and how they were made."""

    made_with: dict[str, Any] = field(default_factory=dict)
    _rounds: dict[tuple[Case, str], list[Measured]] = field(default_factory=dict)

    def add(self, case: Case, server: str, measured: Measured) -> None:
        self._rounds.setdefault((case, server), []).append(measured)

    def failed(self, case: Case, server: str) -> bool:
        return any(one.reason for one in self._rounds.get((case, server), ()))

    def median(self, case: Case, server: str) -> Measured | None:
        """Of each figure by itself; a server that failed once has failed. None: not measured."""
        rounds = self._rounds.get((case, server))
        if not rounds:
            return None
        if reason := next((one.reason for one in rounds if one.reason), ""):
            return Measured(reason=reason)
        names = [one.name for one in fields(Measured) if one.name != "reason"]
        return Measured(**{n: statistics.median(getattr(one, n) for one in rounds) for n in names})

    def rate(self, case: Case, server: str) -> float | None:
        """Instances a second: 0 for a failure, None for what was not measured."""
        median = self.median(case, server)
        return None if median is None else median.rate

    def cases(self, client: str) -> list[Case]:
        found = {case for case, _ in self._rounds if case.client == client}
        return sorted(found)

    @property
    def clients(self) -> list[str]:
        return list(dict.fromkeys(case.client for case, _ in self._rounds))

    @property
    def servers(self) -> list[str]:
        return list(dict.fromkeys(server for _, server in self._rounds))

    def client_share(self, client: str) -> float:
        """The most that the client took of one core."""
        rounds = [
            r for (case, _), rounds in self._rounds.items() if case.client == client for r in rounds
        ]
        return max((one.client_share for one in rounds), default=0.0)

    def to_json(self) -> dict[str, Any]:
        measured = [
            {**case._asdict(), "server": server, "rounds": [asdict(one) for one in rounds]}
            for (case, server), rounds in self._rounds.items()
        ]
        return {**self.made_with, "measured": measured}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Figures:
        figures = cls({name: value for name, value in values.items() if name != "measured"})
        for one in values["measured"]:
            case = Case(one["client"], one["size"], one["associations"])
            for measured in one["rounds"]:
                figures.add(case, one["server"], Measured(**measured))
        return figures


_UNITS = (("k", 1024), ("m", 1024**2), ("g", 1024**3))


def size_of(text: str) -> int:
    """Bytes of `8k`, `30m` or `1g`; raises ValueError."""
    for unit, factor in _UNITS:
        if text.lower().endswith(unit):
            return int(text[:-1]) * factor
    return int(text)


def size_text(size: int) -> str:
    for unit, factor in reversed(_UNITS):
        if size >= factor:
            return f"{size / factor:g} {unit.upper()}B"
    return f"{size} B"

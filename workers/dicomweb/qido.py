"""QIDO-RS: searches for studies, series and instances (PS3.18 10.6)."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset

from gateway.datasets.coding import decode
from workers.archive.attributes import BY_KEYWORD, UNIQUE, Level
from workers.archive.identifier import STUDY_ROOT, FindQuery, Model, find_query
from workers.archive.index.search import COMPUTED
from workers.archive.match_writer import MatchWriter
from workers.archive.matching import BadIdentifier
from workers.dicomweb.guard import HttpError
from workers.dicomweb.json_model import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workers.archive.index import Index
    from workers.dicomweb.json_model import Json

MOST = 5_000
"""Results of one search at most; a client asks for the next ones by `offset`."""
_EXPLICIT = "1.2.840.10008.1.2.1"
_RETRIEVE_URL = "00081190"
_OF_LEVEL = {
    Level.STUDY: (
        *("StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "StudyDescription"),
        *("ReferringPhysicianName", "PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
        *("StudyInstanceUID", "StudyID", "NumberOfStudyRelatedSeries"),
        "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        *("Modality", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber"),
        "NumberOfSeriesRelatedInstances",
    ),
    Level.IMAGE: (
        *("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Rows", "Columns"),
        "NumberOfFrames",
    ),
}
"""Attributes of results that need not be asked for (PS3.18 tables 10.6.3-3 to 10.6.3-5)."""
_NAMES = {Level.STUDY: "study", Level.SERIES: "series", Level.IMAGE: "instance"}


class SearchResult(NamedTuple):
    """The results of a search, and warnings about it."""

    matches: list[Json]
    warnings: list[str]


class Search:
    """A search at a level, below what the path names."""

    def __init__(
        self, level: Level, path: Mapping[str, str], asked: Iterable[tuple[str, str]]
    ) -> None:
        """`asked`: the query's parameters. Raises HttpError 400."""
        self._level = level
        self._path = path
        self.warnings: list[str] = []
        self.limit, self.offset = MOST, 0
        self._is_limited = False
        self._keys: dict[str, str] = {}
        self._everything = False
        self._add_returned()
        for name, value in asked:
            self._take(name, value)
        for known, name in _NAMES.items():
            if name in path:
                self._keys[UNIQUE[known].keyword] = path[name]

    def run(self, index: Index, base: str, title: str) -> SearchResult:
        """Return what is found; `base` is the address of the service. Raises HttpError 400."""
        try:
            query = find_query(self._identifier(), Model.of(f"{STUDY_ROOT}1"), relational=True)
        except BadIdentifier as error:
            raise HttpError(400, f"{_name(error.tag)}: {error}") from None
        if self._is_limited and not self.limit:
            return SearchResult([], self.warnings)
        rows = islice(index.search(query.query), self.offset, self.offset + self.limit + 1)
        write = MatchWriter(query, title, _EXPLICIT).write
        found = [self._match(decode(write(row), _EXPLICIT), base, query) for row in rows]
        if len(found) > self.limit:
            del found[self.limit :]
            if not self._is_limited:
                self.warnings.append(
                    f"more than {MOST} results: ask for the others with offset={self.offset + MOST}"
                )
        return SearchResult(found, self.warnings)

    def _add_returned(self) -> None:
        known = (Level.STUDY, Level.SERIES, Level.IMAGE)
        named = {level for level in known if _NAMES[level] in self._path}
        for level in known:
            if level <= self._level and (level == self._level or level not in named):
                self._keys.update(dict.fromkeys(_OF_LEVEL[level], ""))
        for level in known:
            if level <= self._level:
                self._keys.setdefault(UNIQUE[level].keyword, "")

    def _take(self, name: str, value: str) -> None:
        match name.lower():
            case "limit":
                asked = _number(name, value)
                self.limit, self._is_limited = min(asked, MOST), asked <= MOST
            case "offset":
                self.offset = _number(name, value)
            case "fuzzymatching" | "emptyvaluematching" | "multiplevaluematching" as word:
                self.warnings += [_not_done(word)] * (value.lower() not in ("false", ""))
            case "includefield":
                for one in value.split(","):
                    self._include(one.strip())
            case "accept":
                pass
            case _:
                self._add_key(name, value)

    def _include(self, name: str) -> None:
        if name.lower() == "all":
            for keyword in (*BY_KEYWORD, *COMPUTED):
                if self._is_known(keyword):
                    self._keys.setdefault(keyword, "")
        elif self._is_known(keyword := _keyword(name)):
            self._keys.setdefault(keyword, "")
        else:
            self.warnings.append(f"{name} is not in the index: it is not returned")

    def _add_key(self, name: str, value: str) -> None:
        keyword = _keyword(name)
        if not self._is_known(keyword):
            self.warnings.append(f"{name} is not in the index: it is not matched")
            return
        attribute = BY_KEYWORD.get(keyword)
        if attribute is not None and attribute.vr == "UI":
            value = value.replace(",", "\\")
        if before := self._keys.get(keyword):
            if attribute is not None and attribute.vr not in ("UI", "CS"):
                raise HttpError(400, f"{name} is given twice")
            value = f"{before}\\{value}" if value else before
        self._keys[keyword] = value

    def _is_known(self, keyword: str) -> bool:
        one = BY_KEYWORD.get(keyword) or COMPUTED.get(keyword)
        return one is not None and one.level <= self._level

    def _identifier(self) -> Dataset:
        identifier = Dataset()
        identifier.SpecificCharacterSet = "ISO_IR 192"
        identifier.QueryRetrieveLevel = self._level.name
        identifier.InstanceAvailability = ""
        for keyword, text in self._keys.items():
            try:
                setattr(identifier, keyword, _value(keyword, text))
            except (ValueError, TypeError, OverflowError):
                raise HttpError(400, f"{keyword}: {text[:64]!r} is not a value of it") from None
        return identifier

    def _match(self, found: Dataset, base: str, query: FindQuery) -> Json:
        model = to_json(found, lambda path: path)
        model.pop("00080052", None)
        uids = {
            level: str(found.get(UNIQUE[level].keyword) or "")
            for level in (Level.STUDY, Level.SERIES, Level.IMAGE)
            if level <= query.query.level
        }
        words = {Level.STUDY: "studies", Level.SERIES: "series", Level.IMAGE: "instances"}
        path = "".join(f"/{words[level]}/{uid}" for level, uid in uids.items())
        model[_RETRIEVE_URL] = {"vr": "UR", "Value": [f"{base}{path}"]}
        return dict(sorted(model.items()))


def _not_done(word: str) -> str:
    """Return the warning about a kind of matching, in the words of PS3.18 8.3.4.2."""
    if word != "fuzzymatching":
        return f"The {word} parameter is not supported. It has been ignored."
    return "The fuzzymatching parameter is not supported. Only literal matching has been performed."


def _keyword(name: str) -> str:
    """Return the keyword of an attribute that is named by keyword or tag; raises HttpError 400."""
    tag: int | None = None
    for part in name.split("."):  # of a path, whose items are sequences
        tag = int(part, 16) if re.fullmatch(r"[0-9A-Fa-f]{8}", part) else tag_for_keyword(part)
        if tag is None or not part:  # some retired attributes have no keyword
            text = f"{name[:64]!r} is not an attribute: use a keyword or eight hex digits"
            raise HttpError(400, text)
    return name if tag is None or "." in name else keyword_for_tag(tag) or name


def _value(keyword: str, text: str) -> Any:
    vr = dictionary_VR(keyword)
    if vr == "US":
        return [int(one) for one in text.split("\\")] if text else None
    return text.split("\\") if vr == "UI" and "\\" in text else text


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise HttpError(400, f"{name} = {text[:32]!r}: it must be a number, 0 or more")
    return int(text)


def _name(tag: int) -> str:
    return keyword_for_tag(tag) or f"{tag:08X}"

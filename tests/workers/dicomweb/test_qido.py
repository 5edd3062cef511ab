"""Searches: what is asked for, and what is answered (PS3.18 10.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.datasets.validation import disable_validation
from tests.archive.conftest import entry, kept
from workers.archive.attributes import Level
from workers.archive.index import SqliteIndex
from workers.dicomweb import qido
from workers.dicomweb.guard import HttpError
from workers.dicomweb.qido import Search, SearchResult

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = "http://h/dicom-web"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    disable_validation()
    with SqliteIndex(tmp_path / "index.sqlite") as opened:
        for study in range(3):
            for number in range(2):
                uid, series = f"9.{study}.{number}", f"2.{study}"
                texts = {"PatientName": f"Doe^{study}", "StudyDate": f"2026010{study + 1}"}
                opened.add(entry(uid), kept(uid, series, f"1.{study}", **texts))
        yield opened


def ask(index: SqliteIndex, level: Level, *asked: tuple[str, str], **path: str) -> SearchResult:
    return Search(level, path, asked).run(index, BASE, "GATEWAY")


def uids(found: SearchResult, tag: str = "0020000D") -> list[str]:
    return [one[tag]["Value"][0] for one in found.matches]


def test_a_study_has_what_the_table_says(index):
    found = ask(index, Level.STUDY, ("StudyInstanceUID", "1.1"))
    (match,) = found.matches
    assert match["00081190"] == {"vr": "UR", "Value": [f"{BASE}/studies/1.1"]}
    assert match["00201206"]["Value"] == [1]
    assert match["00201208"]["Value"] == [2]
    assert match["00080061"]["Value"] == ["CT"]
    assert match["00080056"]["Value"] == ["ONLINE"]
    assert "00080052" not in match
    assert found.warnings == []


@pytest.mark.parametrize(
    ("asked", "studies"),
    [
        ((), ["1.0", "1.1", "1.2"]),
        ((("PatientName", "doe^1"),), ["1.1"]),
        ((("00100010", "Doe*"),), ["1.0", "1.1", "1.2"]),
        ((("StudyDate", "20260102-"),), ["1.1", "1.2"]),
        ((("StudyInstanceUID", "1.0,1.2"),), ["1.0", "1.2"]),
        ((("0020000D", "1.0\\1.2"),), ["1.0", "1.2"]),
        ((("ModalitiesInStudy", "MR"),), []),
        ((("limit", "2"),), ["1.0", "1.1"]),
        ((("limit", "0"),), []),
        ((("StudyInstanceUID", "1.0"), ("0020000D", "1.2")), ["1.0", "1.2"]),
        ((("ModalitiesInStudy", "MR"), ("ModalitiesInStudy", "CT"), ("limit", "1")), ["1.0"]),
        ((("limit", "2"), ("offset", "2")), ["1.2"]),
        ((("offset", "9"),), []),
    ],
)
def test_matching_and_paging(index, asked, studies):
    assert uids(ask(index, Level.STUDY, *asked)) == studies


def test_below_the_path(index):
    series = ask(index, Level.SERIES, study="1.1")
    assert uids(series, "0020000E") == ["2.1"]
    assert "00100010" not in series.matches[0]
    instances = ask(index, Level.IMAGE, study="1.1", series="2.1")
    assert uids(instances, "00080018") == ["9.1.0", "9.1.1"]
    url = f"{BASE}/studies/1.1/series/2.1/instances/9.1.0"
    assert instances.matches[0]["00081190"]["Value"] == [url]


def test_everywhere_tells_the_levels_above_too(index):
    found = ask(index, Level.SERIES)
    assert len(found.matches) == 3
    assert found.matches[0]["00100010"]["Value"] == [{"Alphabetic": "Doe^0"}]


def test_includefield(index):
    (match,) = ask(
        index, Level.SERIES, ("includefield", "PatientID,StationName"), study="1.1"
    ).matches
    assert match["00100020"]["Value"] == ["P1"]
    assert match["00081010"] == {"vr": "SH"}
    (match,) = ask(index, Level.STUDY, ("includefield", "all"), ("PatientName", "doe^1")).matches
    assert "00080062" in match
    assert match["00201200"]["Value"] == [1]


def test_what_is_not_known_is_a_warning(index):
    found = ask(index, Level.STUDY, ("PatientWeight", "80"), ("fuzzymatching", "true"))
    assert len(found.matches) == 3
    assert found.warnings == [
        "PatientWeight is not in the index: it is not matched",
        "The fuzzymatching parameter is not supported. Only literal matching has been performed.",
    ]


def test_more_than_the_most_is_a_warning(index, monkeypatch):
    monkeypatch.setattr(qido, "MOST", 2)
    found = ask(index, Level.STUDY)
    assert len(found.matches) == 2
    assert found.warnings == ["more than 2 results: ask for the others with offset=2"]
    assert ask(index, Level.STUDY, ("limit", "9" * 18)) == found
    assert ask(index, Level.STUDY, ("limit", "2")).warnings == []


@pytest.mark.parametrize("name", ["emptyvaluematching", "MultipleValueMatching"])
def test_matching_that_is_not_done_is_a_warning(index, name):
    assert ask(index, Level.STUDY, (name, "false")).warnings == []
    (told,) = ask(index, Level.STUDY, (name, "true")).warnings
    assert told == f"The {name.lower()} parameter is not supported. It has been ignored."


def test_a_path_into_items_is_a_warning_if_it_is_one(index):
    path = "RequestAttributesSequence.00080050"
    (told,) = ask(index, Level.SERIES, (path, "1")).warnings
    assert told == f"{path} is not in the index: it is not matched"
    for wrong in (
        "x.PatientName",
        "\r\nSet-Cookie: a.PatientName",
        "\u20ac.PatientName",
        ".PatientID",
    ):
        for asked in ((wrong, "1"), ("includefield", wrong)):
            with pytest.raises(HttpError) as caught:
                ask(index, Level.STUDY, asked)
            assert caught.value.status == 400


def test_a_page_stays_when_others_arrive(index):
    first = ask(index, Level.STUDY, ("limit", "2"))
    index.add(entry("9.0.9"), kept("9.0.9", "2.09", "1.09"))
    index.add(entry("9.1.9"), kept("9.1.9", "2.1", "1.1"))
    assert uids(ask(index, Level.STUDY, ("limit", "2"))) == uids(first)
    assert uids(ask(index, Level.STUDY, ("offset", "2"))) == ["1.2", "1.09"]


@pytest.mark.parametrize(
    "asked",
    [
        ("NoSuchKeyword", "1"),
        ("limit", "-1"),
        ("limit", "x"),
        ("offset", "1.5"),
        ("Rows", "many"),
        ("StudyDate", "tomorrow"),
        ("offset", "+1"),
    ],
)
def test_what_is_wrong_is_400_with_its_name(index, asked):
    with pytest.raises(HttpError) as caught:
        ask(index, Level.IMAGE, asked)
    assert caught.value.status == 400
    assert asked[0] in str(caught.value)

"""Worklist items from a database: the documented table, queries of a site, and what goes wrong."""

from __future__ import annotations

import datetime
import sqlite3
from contextlib import closing

import pytest
from pydicom.dataset import Dataset

from gateway.errors import ConfigError, Unavailable
from gateway.sdk import testing
from gateway.sop_class import ModalityWorklistInformationFind
from tests.data_sets import data_set
from workers.worklist import worklist_database
from workers.worklist.worklist_columns import RowReader, path_of, value_of
from workers.worklist.worklist_keys import STEPS
from workers.worklist.worklist_worker import worker

ROW = {
    "scheduled_station_ae_title": "CT1",
    "modality": "CT",
    "scheduled_procedure_step_start_date": "20261128",
    "scheduled_procedure_step_start_time": "0830",
    "scheduled_procedure_step_id": "S1",
    "patient_name": "DÖE^JANE",
    "patient_id": "P1",
    "accession_number": "A1",
    "study_instance_uid": "1.2.3.1",
    "pregnancy_status": "4",
    "patient_weight": "70.5",
}


class Table:
    """The documented table, in either database."""

    def __init__(self, dsn: str, folder) -> None:
        self.dsn, self.file = dsn, folder / worklist_database.FILE

    @property
    def options(self) -> dict:
        return {"database": {}, "archive": {"dsn": self.dsn}}

    def run(self, text: str, *rows: tuple) -> None:
        if self.dsn:
            import psycopg

            with psycopg.connect(self.dsn) as connection:
                for row in rows or [()]:
                    connection.execute(text.replace("?", "%s"), row)
            return
        with closing(sqlite3.connect(self.file)) as connection, connection:
            for row in rows or [()]:
                connection.execute(text, row)

    def insert(self, **more: str | None) -> None:
        row = {**ROW, **more}
        marks = ", ".join("?" * len(row))
        self.run(f"INSERT INTO worklist ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


@pytest.fixture(params=["sqlite", "postgres"])
def table(request, tmp_path):
    dsn = "" if request.param == "sqlite" else request.getfixturevalue("postgres_schema")
    return Table(dsn, tmp_path)


def ask(query: Dataset | None = None, **step: str) -> tuple[list[Dataset], int]:
    query = query or Dataset()
    query.setdefault("PatientName", "")
    query.setdefault("PatientID", "")
    inner = Dataset()
    for name, value in {"ScheduledProcedureStepID": "", **step}.items():
        setattr(inner, name, value)
    query.ScheduledProcedureStepSequence = [inner]
    *found, (status, _) = testing.find(worker, query, sop_class=ModalityWorklistInformationFind)
    return [match for _, match in found if match is not None], status


def ids(query: Dataset | None = None, **step: str) -> list[str]:
    found, status = ask(query, **step)
    assert status == 0x0000
    return [str(one.PatientID) for one in found]


def test_the_documented_table_is_made_and_what_is_in_it_is_found_at_once(table, tmp_path):
    with testing.started(worker, tmp_path, **table.options):
        assert ids() == []
        table.insert()
        table.insert(patient_id="P2", scheduled_station_ae_title="CT2")
        assert ids() == ["P1", "P2"]
        assert ids(ScheduledStationAETitle="CT2") == ["P2"]
        query = Dataset()
        query.PregnancyStatus = query.PatientWeight = query.StudyInstanceUID = None
        (found,), _ = ask(query, ScheduledStationAETitle="CT1", Modality="CT")
        assert (str(found.PatientName), found.StudyInstanceUID) == ("DÖE^JANE", "1.2.3.1")
        assert (found.PregnancyStatus, found.PatientWeight) == (4, 70.5)
        assert found.SpecificCharacterSet == "ISO_IR 192"
        assert found.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID == "S1"
        table.run("DELETE FROM worklist WHERE patient_id = 'P1'")
        assert ids() == ["P2"]
        assert worker.context.facts["worklist"] == {"rows": 1}
    with testing.started(worker, tmp_path, **table.options):
        assert ids() == ["P2"], "it is not made anew"


@pytest.mark.parametrize(
    ("keys", "steps", "read"),
    [
        ({}, {}, 3),
        ({}, {"ScheduledStationAETitle": "CT1"}, 1),
        ({}, {"ScheduledStationAETitle": "CT*"}, 3),
        ({}, {"Modality": "MR"}, 1),
        ({"PatientID": "P3"}, {}, 1),
        ({"PatientID": "P?"}, {}, 3),
        ({"AccessionNumber": "A3"}, {}, 1),
        ({}, {"ScheduledProcedureStepStartDate": "20261129-"}, 2),
        ({}, {"ScheduledProcedureStepStartDate": "20261129"}, 1),
        ({}, {"ScheduledProcedureStepStartDate": "-20261129"}, 2),
    ],
)
def test_the_database_reads_only_what_can_match(table, tmp_path, keys, steps, read):
    with testing.started(worker, tmp_path, **table.options):
        table.insert()
        for number, day in ((2, "20261129"), (3, "20261130")):
            table.insert(
                patient_id=f"P{number}",
                accession_number=f"A{number}",
                scheduled_station_ae_title="CT2" if number == 2 else "MR1",
                modality="CT" if number == 2 else "MR",
                scheduled_procedure_step_start_date=day,
            )
        found = ids(data_set(**keys), **steps)
        assert worker.context.facts["worklist"] == {"rows": read}
        assert len(found) <= read


def test_a_query_of_the_site_with_columns_of_its_own(table, tmp_path):
    kinds = ("date", "time") if table.dsn else ("TEXT", "TEXT")
    options = table.options
    options["database"] = {
        "query": "SELECT r.pid, r.who, r.day, r.hour, r.code, '10%' AS note FROM ris r "
        "WHERE (:first_day IS NULL OR r.day >= :first_day) -- 'a note'\n;",
        "columns": {
            "pid": "PatientID",
            "who": "00100010",
            "day": "ScheduledProcedureStepStartDate",
            "hour": "ScheduledProcedureStepSequence.ScheduledProcedureStepStartTime",
            "code": "RequestedProcedureCodeSequence.CodeValue",
        },
    }
    if not table.dsn:
        options["database"] |= {"file": str(table.file)}
        options["database"]["query"] = options["database"]["query"].replace(
            "r.day >= :first_day", "REPLACE(r.day, '-', '') >= :first_day"
        )
    table.run(f"CREATE TABLE ris (pid TEXT, who TEXT, day {kinds[0]}, hour {kinds[1]}, code TEXT)")
    table.run("INSERT INTO ris VALUES ('7', 'ROE^J', '2026-11-28', '08:30:00', 'C1')")
    with testing.started(worker, tmp_path, **options):
        query = Dataset()
        query.RequestedProcedureCodeSequence = [Dataset()]
        query.RequestedProcedureCodeSequence[0].CodeValue = ""
        day = {
            "ScheduledProcedureStepStartDate": "20261128-",
            "ScheduledProcedureStepStartTime": "",
        }
        (found,), status = ask(query, **day)
        assert (status, found.PatientID, str(found.PatientName)) == (0x0000, "7", "ROE^J")
        (step,) = found.ScheduledProcedureStepSequence
        assert step.ScheduledProcedureStepStartDate == "20261128"
        assert step.ScheduledProcedureStepStartTime == "083000"
        assert found.RequestedProcedureCodeSequence[0].CodeValue == "C1"


def test_a_value_that_its_attribute_cannot_have_is_counted_and_named(table, tmp_path, caplog):
    with testing.started(worker, tmp_path, **table.options):
        table.insert(patient_birth_date="SECRET")
        table.insert(patient_id="P2", scheduled_procedure_step_start_date="SECRET")
        found, _ = ask()
        assert [one.PatientID for one in found] == ["P1"]
        assert worker.context.troubles["worklist"] == (
            "column patient_birth_date has no valid value in 1 rows; "
            "column scheduled_procedure_step_start_date has no valid value in 1 rows; "
            "1 rows are passed over"
        )
        assert "SECRET" not in caplog.text
        table.run("UPDATE worklist SET patient_birth_date = NULL")
        table.run("UPDATE worklist SET scheduled_procedure_step_start_date = '20261128'")
        assert ids() == ["P1", "P2"]
        assert "worklist" not in worker.context.troubles


def test_a_table_that_goes_away_fails_queries_until_it_is_back(table, tmp_path, caplog):
    with testing.started(worker, tmp_path, **table.options):
        table.insert()
        table.run("ALTER TABLE worklist RENAME TO elsewhere")
        assert ask() == ([], 0xA700)
        assert "worklist" in worker.context.troubles["worklist"]
        table.run("ALTER TABLE elsewhere RENAME TO worklist")
        assert ids() == ["P1"]
        assert "worklist" not in worker.context.troubles
    assert "Traceback" not in caplog.text


def test_too_many_rows_are_refused_and_a_query_that_takes_too_long_ends(table, tmp_path):
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT 'P' AS "
    options = {**table.options, "database": {"most_rows": 2}}
    with testing.started(worker, tmp_path, **options):
        for number in range(3):
            table.insert(patient_id=f"P{number}")
        assert ask() == ([], 0xA700)
        assert "more than 2 rows (most_rows)" in worker.context.troubles["worklist"]
        assert ids(ScheduledStationAETitle="MR1") == []
    database = {"query": f"{endless} patient_id FROM n WHERE x < 0", "timeout": 0.2}
    options = {**table.options, "database": database}
    with (
        pytest.raises(Unavailable, match=r"statement timeout|more than 0\.2 s"),
        testing.started(worker, tmp_path, **options),
    ):
        pass


@pytest.mark.parametrize(
    ("database", "text"),
    [
        (["x"], "it must be a table"),
        ({"quer": "x"}, "no option 'quer'"),
        ({"file": "a", "dsn": "b"}, "dsn and file are two databases"),
        ({"file": "/nowhere/ris.sqlite"}, "there is no file /nowhere/ris.sqlite"),
        ({"timeout": -1.0}, "must not be negative"),
        ({"query": "SELECT * FROM nothing"}, "nothing"),
        ({"query": "SELEC"}, "syntax error|SELEC"),
        ({"query": "SELECT 1 AS x"}, "no column of the query is an attribute; it has x"),
        ({"query": "SELECT 1 AS x", "columns": {"y": "PatientID"}}, "columns.y: the query has no"),
        ({"query": "SELECT 1 AS x", "columns": {"x": "PatentID"}}, "no attribute 'PatentID'"),
        ({"query": "SELECT 1 AS x", "columns": {"x": "PatientID.Modality"}}, "SEQUENCE.ATTRIBUTE"),
        ({"query": "SELECT 1 AS x", "columns": {"x": "ReferencedStudySequence"}}, "no sequence"),
    ],
)
def test_what_is_wrong_in_the_configuration_is_named(table, tmp_path, database, text):
    if isinstance(database, dict) and "query" in database and not table.dsn:
        sqlite3.connect(table.file).close()
        table.file.touch()
        database = {**database, "file": str(table.file)}
    options = {**table.options, "database": database}
    with pytest.raises(ConfigError, match=text), testing.started(worker, tmp_path, **options):
        pass


def test_a_server_that_is_away_is_unavailable_and_its_password_is_not_told(tmp_path):
    dsn = f"host={tmp_path} dbname=x user=y password=geheim"
    with (
        pytest.raises(Unavailable) as raised,
        testing.started(worker, tmp_path, database={"dsn": dsn}),
    ):
        pass
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    ("vr", "value", "text"),
    [
        ("DA", datetime.date(2026, 11, 28), "20261128"),
        ("DA", datetime.datetime(2026, 11, 28, 8, 30), "20261128"),
        ("DA", "2026-11-28", "20261128"),
        ("TM", datetime.time(8, 30), "083000"),
        ("TM", "08:30:15.5", "083015.5"),
        ("DT", datetime.datetime(2026, 11, 28, 8, 30), "20261128083000"),
        ("LO", 7, "7"),
        ("LO", "  seven ", "seven"),
        ("LO", " ", None),
        ("DS", "70.5", "70.5"),
        ("US", "4", 4),
        ("UI", "1.2.3", "1.2.3"),
    ],
)
def test_values_of_databases(vr, value, text):
    assert value_of(vr, value) == text


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        *(("DA", "28.11.2026"), ("DA", datetime.time(1)), ("TM", "noon"), ("LO", b"bytes")),
        *(("UI", "one"), ("UI", "1" * 65), ("CS", "ct"), ("DS", "heavy"), ("US", "four")),
        *(("AE", "A" * 17), ("LO", True)),
    ],
)
def test_values_that_are_none(vr, value):
    with pytest.raises(ValueError, match=r"^$|invalid literal|could not convert"):
        value_of(vr, value)


def test_an_attribute_of_a_step_goes_into_its_sequence():
    assert path_of("x", "Modality") == (STEPS, 0x00080060)
    assert path_of("x", "ScheduledProtocolCodeSequence.CodeValue")[0] == STEPS
    assert path_of("x", "0020000D") == (0x0020000D,)
    reader = RowReader(["MODALITY", "other"], {})
    item = reader.item(["CT", object()], lambda _: None)
    assert item is not None
    assert item.ScheduledProcedureStepSequence[0].Modality == "CT"

"""The rows above an instance: its header, series, study and patient.

A study is unique by its UID and the Patient ID, a series by its UID in the study. A patient is the
identity that studies have in common: Patient ID, issuer, name, birth date and sex, regardless of
case, padding and empty components of the name. Each study has its own patient attributes; those of
a patient are the attributes of one of its studies, that with the first UID.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeAlias

from workers.archive.attributes import ABOVE, Level
from workers.archive.comparison_keys import date_key, name_keys, names
from workers.archive.header import HeaderValues
from workers.archive.index.newest import (
    PATIENT,
    Newest,
    Ranks,
    computed,
    newest_of,
    overlaid,
    stored,
)
from workers.archive.index.search import head

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from workers.archive.index.grouping import Execute
    from workers.archive.index.search import Dialect

Above: TypeAlias = "tuple[str, ...]"
"""The values of a header, in the order of `ABOVE`."""

_FIND = (
    "SELECT header.key, header.id, series.id, series.sources, study.id, study.sources, "
    "study.assigned FROM header JOIN series ON series.id = header.series "
    "JOIN study ON study.id = series.study WHERE "
)
_PATIENT = ", ".join(names(Level.PATIENT))
_REPRESENTATIVE = (
    f"SELECT {_PATIENT} FROM study WHERE patient = ? "
    f"ORDER BY {head('study_instance_uid')}, study_instance_uid LIMIT 1"
)
_SET_PATIENT = "UPDATE patient SET {} WHERE id = ?".format(
    ", ".join(f"{name} = ?" for name in names(Level.PATIENT))
)
_LOCK_PATIENT = (
    "INSERT INTO patient (key) VALUES (?) ON CONFLICT (key) DO UPDATE SET key = excluded.key"
)
_OF_PATIENT = _REPRESENTATIVE.replace("patient = ?", "study.patient = patient.id")
_SET_REPRESENTED = f"UPDATE patient SET ({_PATIENT}) = ({_OF_PATIENT}) WHERE key = ?"
_ASSIGNED = "SELECT patient FROM assignment WHERE key = ?"
"""The patient attributes that a study was assigned, as JSON."""
_FOUND = "SELECT id, key, sources, patient_id"
_STUDIES = (
    f"FROM study WHERE {head('study_instance_uid')} = {head('?')} AND study_instance_uid || '' = ?"
)
_HAS_OTHERS = (
    " AND EXISTS (SELECT 1 FROM series JOIN header ON header.series = series.id "
    "JOIN instance ON instance.header = header.id "
    "WHERE series.study = study.id AND instance.sop_instance_uid <> ?)"
)


class Mismatched(Exception):  # noqa: N818 - an outcome
    """The study is in the index under these other Patient IDs."""

    def __init__(self, patients: tuple[str, ...]) -> None:
        super().__init__()
        self.patients = patients


class Header:
    """A row of the table header, with the rows above it."""

    def __init__(
        self, number: int, series: Newest, study: Newest, texts: Callable[[], Mapping[str, str]]
    ) -> None:
        self.number = number
        self.series = series
        self.study = study
        self.texts = texts
        """Returns the values by keyword, which mostly nobody asks for."""
        self.is_used = False
        """Whether an instance of it was added in this transaction."""
        self.patients: tuple[str, ...] = ()
        """The Patient IDs of the study, if this transaction has made another one of its UID."""


class Placing:
    """Finds and makes the rows above instances in one transaction; call `finish` at its end."""

    def __init__(self, dialect: Dialect, *, refuse: bool = False) -> None:
        self._dialect = dialect
        self._refuse = refuse
        self._headers: dict[Above, Header] = {}
        self._missing: set[Above] = set()
        """Values for which there was no header."""
        self._rows: dict[tuple[str, int], Newest] = {}
        self._made_studies: set[int] = set()
        """The studies that this transaction has made; they have no patient yet."""
        self._made_series: dict[bytes, Newest] = {}
        """The series that this transaction has made, by key."""

    def begin(self, execute: Execute, above: Iterable[Above]) -> None:
        """Forget the rows, as for a new transaction, and find those for all of these values."""
        self._forget()
        keys = {digest(*values): values for values in above}
        if keys:
            condition, parameters = self._dialect.among("header.key", list(keys))
            for key, *found in execute(_FIND + condition, parameters).fetchall():
                self._found(found, keys[bytes(key)])
            self._missing = set(keys.values()) - self._headers.keys()

    def header(self, execute: Execute, above: Above, replaced: str = "") -> Header:
        """Return the header for these values; raises Mismatched if mismatches are refused.

        `replaced` is the UID of an instance that is being replaced: its patient does not count.
        """
        header = self._headers.get(above)
        if header is None:
            key = digest(*above)
            found = None
            if above not in self._missing:
                found = execute(f"{_FIND}header.key = ?", (key,)).fetchone()
            if found is not None:
                return self._found(found[1:], above)
            header = self._headers[above] = self._made(execute, key, _by_keyword(above), replaced)
        return header

    def used_header(self, above: Above) -> Header | None:
        """Return the header for these values, if an instance was added to it already."""
        header = self._headers.get(above)
        return header if header is not None and header.is_used else None

    def finish(self, execute: Execute) -> None:
        """Merge the values of the instances that were added, and forget the rows."""
        ranks = Ranks(execute)
        for header in self._headers.values():
            if header.is_used:
                for one in (header.series, header.study):
                    if not one.is_all_from(header.number):
                        texts = header.texts()
                        if taken := one.merge(header.number, texts, ranks):
                            one.read(execute)
                            one.set(taken, texts)
        write(execute, self._rows.values(), self._made_studies)
        self._forget()

    def _forget(self) -> None:
        self._headers.clear()
        self._missing.clear()
        self._rows.clear()
        self._made_studies.clear()
        self._made_series.clear()

    def _found(self, found: Any, above: Above) -> Header:
        number, series, series_sources, study, study_sources, assigned = found
        row = self._row("series", series, series_sources)
        whole = self._row("study", study, study_sources)
        header = Header(number, row, whole, lambda: overlaid(_by_keyword(above), assigned))
        self._headers[above] = header
        return header

    def _made(self, execute: Execute, key: bytes, own: Mapping[str, str], replaced: str) -> Header:
        series, study, others, texts = self._rows_above(execute, own, replaced)
        values = json.dumps({keyword: text for keyword, text in own.items() if text})
        row = {"key": key, "series": series.number, "texts": values}
        header = Header(self._dialect.insert(execute, "header", row), series, study, lambda: texts)
        header.patients = (*others, texts.get("PatientID") or "") if others else ()
        return header

    def series_of(self, execute: Execute, own: Mapping[str, str]) -> int:
        """Return the series that a header with these values belongs to."""
        return self._rows_above(execute, own)[0].number

    def _rows_above(
        self, execute: Execute, own: Mapping[str, str], replaced: str = ""
    ) -> tuple[Newest, Newest, tuple[str, ...], Mapping[str, str]]:
        """Return series and study of a header, which are made if they are missing.

        And other Patient IDs of the study's UID if the study is made; and the values of the header,
        with the patient that the study was assigned.
        """
        uid = own.get("StudyInstanceUID") or ""
        if uid:  # both are asked before either answers
            assignment = execute(_ASSIGNED, (digest(uid),))
            known = execute(f"{_FOUND} {_STUDIES}", (uid, uid))
            assigned = found[0] if (found := assignment.fetchone()) else None
        else:
            assigned = None
            key = digest(uid, own.get("PatientID") or "")
            known = execute(f"{_FOUND} FROM study WHERE key = ?", (key,))
        texts = overlaid(own, assigned)
        patient = texts.get("PatientID") or ""
        key, others = digest(uid, patient), []
        for number, found_key, sources, other in known.fetchall():
            if bytes(found_key) == key:
                study = self._row("study", number, sources)
                return self._series(execute, texts, study), study, (), texts
            others.append(other or "")
        if others and replaced:
            others = _patients_of_others(execute, uid, replaced)
        if others and self._refuse:
            raise Mismatched(tuple(sorted(others)))
        study = self._new_study(execute, key, (uid, patient), assigned)
        return self._series(execute, texts, study), study, tuple(sorted(others)), texts

    def _new_study(
        self, execute: Execute, key: bytes, own: tuple[str, str], assigned: str | None
    ) -> Newest:
        uid, patient = own
        row = {"key": key, "study_instance_uid": uid, "patient_id": patient, "sources": "{}"}
        number = self._dialect.insert(execute, "study", {**row, "assigned": assigned})
        self._made_studies.add(number)
        study = self._row("study", number)
        study.begin({"StudyInstanceUID": uid, "PatientID": patient})
        study.is_changed = True
        return study

    def _series(self, execute: Execute, texts: Mapping[str, str], study: Newest) -> Newest:
        key = digest(str(study.number), texts.get("SeriesInstanceUID") or "")
        if (made := self._made_series.get(key)) is not None:
            return made
        if study.number not in self._made_studies:
            found = execute("SELECT id, sources FROM series WHERE key = ?", (key,)).fetchone()
            if found:
                return self._row("series", *found)
        row = {"key": key, "study": study.number, "sources": "{}"}
        series = self._row("series", self._dialect.insert(execute, "series", row))
        series.begin()
        self._made_series[key] = series
        return series

    def _row(self, table: str, number: int, sources: str = "{}") -> Newest:
        row = self._rows.get((table, number))
        if row is None:
            row = self._rows[table, number] = Newest(table, number, sources)
        return row


def above_of(texts: Mapping[str, str | None]) -> Above:
    """Return the values of an instance that its header has; an absent one is empty."""
    if isinstance(texts, HeaderValues):  # mostly
        return texts.above
    return tuple([texts.get(keyword) or "" for keyword in ABOVE])


def _by_keyword(above: Above) -> dict[str, str]:
    return dict(zip(ABOVE, above, strict=True))


def digest(*texts: str) -> bytes:
    """Return a key of limited length for texts of any length."""
    return blake2b("\0".join(texts).encode("utf-8", "replace"), digest_size=16).digest()


def key_of(texts: Mapping[str, str | None]) -> bytes:
    """Return the key of the header with these values."""
    return digest(*above_of(texts))


def _patients_of_others(execute: Execute, study_instance_uid: str, replaced: str) -> list[str]:
    """Return the Patient IDs of a study, but for one that has only the instance `replaced`."""
    arguments = (study_instance_uid, study_instance_uid, replaced)
    rows = execute(f"SELECT patient_id {_STUDIES}{_HAS_OTHERS}", arguments).fetchall()
    return [one[0] or "" for one in rows]


def studies_of(execute: Execute, study_instance_uid: str) -> set[int]:
    """Return the ids of the studies with this UID, one for each Patient ID."""
    rows = execute(f"SELECT id {_STUDIES}", (study_instance_uid, study_instance_uid)).fetchall()
    return {one[0] for one in rows}


def write(execute: Execute, rows: Iterable[Newest], made: Container[int] = ()) -> None:
    """Write the rows that have changed, and keep their patients right; `made` are new studies."""
    changed = [row for row in rows if row.write(execute) and row.table == "study"]
    if len(changed) > 1:  # other processes lock the same patients in this order
        changed.sort(key=lambda study: identity(study.values))
    for study in changed:
        if study.number in made:
            _link_first(execute, study)
        else:
            _link(execute, study)


def recompute(execute: Execute, study: int) -> None:
    """Compute the attributes of a study and its series from all instances, and write them."""
    whole, series = computed(execute, study)
    for row in (whole, *series):
        row.write_all(execute)
    _link(execute, whole)


def settle(execute: Execute, headers: Mapping[int, Iterable[str]]) -> None:
    """Remove what is empty above instances that were removed, and recompute what they had set.

    `headers` has the ranks of the removed instances by header.
    """
    studies: dict[int, bool] = {}
    for header, ranks in headers.items():
        series, study = execute(
            "SELECT series.id, series.study FROM header JOIN series ON series.id = header.series "
            "WHERE header.id = ?",
            (header,),
        ).fetchone()
        is_source = max(ranks) > newest_of(execute, header) and any(
            stored(execute, table, number).is_from(header)
            for table, number in (("series", series), ("study", study))
        )
        studies[study] = studies.get(study, False) or is_source
        delete_empty(execute, "header", header, "instance")
        delete_empty(execute, "series", series, "header")
    for study, is_source in studies.items():
        if not drop_empty_study(execute, study) and is_source:
            recompute(execute, study)


def drop_empty_study(execute: Execute, study: int) -> bool:
    """Delete a study without series, and its patient if that has no other; return whether."""
    (patient,) = execute("SELECT patient FROM study WHERE id = ?", (study,)).fetchone()
    is_gone = delete_empty(execute, "study", study, "series")
    if is_gone and patient is not None:
        _refresh(execute, patient)
    return is_gone


def delete_empty(execute: Execute, table: str, number: int, below: str) -> bool:
    """Delete a row if the table below has none for it; return whether it did."""
    text = (
        f"DELETE FROM {table} WHERE id = ? "
        f"AND NOT EXISTS (SELECT 1 FROM {below} WHERE {table} = ?) RETURNING id"
    )
    return execute(text, (number, number)).fetchone() is not None


def _link_first(execute: Execute, study: Newest) -> None:
    """Set the patient of a study that has none yet, without waiting for a result."""
    if study.values.get("StudyInstanceUID"):
        key = identity(study.values)
        execute(_LOCK_PATIENT, (key,))
        text = "UPDATE study SET patient = (SELECT id FROM patient WHERE key = ?) WHERE id = ?"
        execute(text, (key, study.number))
        execute(_SET_REPRESENTED, (key,))


def _link(execute: Execute, study: Newest) -> None:
    """Set the patient of a study by the identity in its attributes."""
    (before,) = execute("SELECT patient FROM study WHERE id = ?", (study.number,)).fetchone()
    patient = _patient(execute, study.values) if study.values.get("StudyInstanceUID") else None
    if patient != before:
        execute("UPDATE study SET patient = ? WHERE id = ?", (patient, study.number))
    for number in {before, patient} - {None}:
        _refresh(execute, number)


def _patient(execute: Execute, values: Mapping[str, str | None]) -> int:
    """Return the patient with this identity, whose row is locked until the transaction ends."""
    text = f"{_LOCK_PATIENT} RETURNING id"
    return int(execute(text, (identity(values),)).fetchone()[0])


def _refresh(execute: Execute, patient: int) -> None:
    """Set the attributes of a patient to those of one of its studies; without one, delete it."""
    found = execute(_REPRESENTATIVE, (patient,)).fetchone()
    if found is None:
        execute("DELETE FROM patient WHERE id = ?", (patient,))
    else:
        execute(_SET_PATIENT, (*found, patient))


def identity(values: Mapping[str, str | None]) -> bytes:
    """Return the key of the patient who has these attributes."""
    texts = {keyword: values.get(keyword) or "" for keyword in PATIENT}
    birth = texts["PatientBirthDate"]
    return digest(
        texts["PatientID"],
        texts["IssuerOfPatientID"],
        *name_keys(texts["PatientName"]),
        date_key(birth) or birth,
        texts["PatientSex"].upper(),
    )

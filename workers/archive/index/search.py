"""Turn queries into SQL statements that return their result in pages.

The text of a statement comes only from the tables in `attributes` and `COMPUTED`; every value is a
parameter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from workers.archive.attributes import Attribute, Level
from workers.archive.matching import AnyOf, Between, Condition, Empty, Equal, Like, Moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.archive.index.grouping import Execute

PAGE = 500
"""Rows of a page, which are in memory at the same time."""

HEAD = 64
"""Characters of a text that are in an index, as many as a valid UID or Patient ID has at most."""
_HEADED = frozenset(
    {
        *("patient.patient_id", "patient.patient_name_key1"),
        *("study.patient_id", "study.patient_name_key1", "study.study_instance_uid"),
        *("study.study_date_key1", "study.accession_number", "series.series_instance_uid"),
    }
)
"""The columns that have such an index."""

_LAST = 0xD7FF
"""The last character that has a successor in both databases; surrogates follow."""


class Dialect(Protocol):
    """Expressions that differ between the databases."""

    def is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Any]:
        """Return the condition that a column is one of many values, and its parameter."""
        ...

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
        """Return the same for the few values of a batch, of any type, and the parameters."""
        ...

    def joined(self, column: str, source: str) -> str:
        """Return an expression for the distinct values of a column, joined by backslashes."""
        ...

    def insert(self, execute: Execute, table: str, row: Mapping[str, Any]) -> int:
        """Insert a row into a table above the instances; return its id."""
        ...


@dataclass(frozen=True, slots=True)
class Computed:
    """An attribute that is computed from the levels below."""

    keyword: str
    level: Level
    joins: str
    """The FROM and WHERE clauses of the rows that it is computed from."""
    column: str = ""
    """The column whose distinct values are joined; empty: the rows are counted."""


_OF_PATIENT = "study c WHERE c.patient = patient.id"
_SERIES_OF_PATIENT = (
    "series c JOIN study d ON d.id = c.study WHERE d.patient = patient.id "
    "AND c.series_instance_uid <> ''"
)
_IMAGES_OF_PATIENT = (
    "instance c JOIN header h ON h.id = c.header JOIN series d ON d.id = h.series "
    "JOIN study e ON e.id = d.study WHERE e.patient = patient.id"
)
SERIES_OF_STUDY = "series c WHERE c.study = study.id AND c.series_instance_uid <> ''"
IMAGES_OF_STUDY = (
    "instance c JOIN header h ON h.id = c.header JOIN series d ON d.id = h.series "
    "WHERE d.study = study.id"
)
_OF_SERIES = "instance c JOIN header h ON h.id = c.header WHERE h.series = series.id"

COMPUTED = {
    one.keyword: one
    for one in (
        Computed("NumberOfPatientRelatedStudies", Level.PATIENT, _OF_PATIENT),
        Computed("NumberOfPatientRelatedSeries", Level.PATIENT, _SERIES_OF_PATIENT),
        Computed("NumberOfPatientRelatedInstances", Level.PATIENT, _IMAGES_OF_PATIENT),
        Computed("ModalitiesInStudy", Level.STUDY, SERIES_OF_STUDY, "modality"),
        Computed("SOPClassesInStudy", Level.STUDY, IMAGES_OF_STUDY, "sop_class_uid"),
        Computed("NumberOfStudyRelatedSeries", Level.STUDY, SERIES_OF_STUDY),
        Computed("NumberOfStudyRelatedInstances", Level.STUDY, IMAGES_OF_STUDY),
        Computed("NumberOfSeriesRelatedInstances", Level.SERIES, _OF_SERIES),
    )
}
"""Additional query/retrieve attributes (PS3.4 C.3.4)."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query of the index."""

    level: Level
    attributes: tuple[Attribute, ...] = ()
    """Attributes to return, of this level and those above."""
    computed: tuple[Computed, ...] = ()
    conditions: tuple[tuple[Level, Condition], ...] = ()
    modalities: tuple[Condition, ...] = field(default=())
    """Conditions that a series of the study must match (ModalitiesInStudy)."""


def head(column: str) -> str:
    """Return the expression for the first characters of a column, by which it is indexed.

    Expressions must be the same in `schema.sql` and in a query, or the index is not used.
    """
    return f"substr({column}, 1, {HEAD})"


_TOLD = {
    Level.STUDY: ("study.study_instance_uid <> ''",),
    Level.SERIES: ("study.study_instance_uid <> ''", "series.series_instance_uid <> ''"),
}
"""Conditions of the entities that are told at a level: those without a UID are not."""


class Statement:
    """The SQL of a query, with its parameters.

    Patient attributes are those of a patient at patient level, and at the others those of a study.
    """

    def __init__(self, query: Query, dialect: Dialect) -> None:
        self._query = query
        self._dialect = dialect
        self._parameters: list[Any] = []
        table = query.level.table
        self._where = " AND ".join(
            [*self._conditions(), *_TOLD.get(query.level, ()), f"{table}.id > ?"]
        )
        self._from = JOINS[query.level]
        self._order = f"{table}.id"

    def page(self, after: int, limit: int = PAGE) -> tuple[str, list[Any]]:
        """Return the statement for rows after the id `after`: the id, and what to return."""
        names = ", ".join([self._order, *self._columns()])
        text = (
            f"SELECT {names} FROM {self._from} WHERE {self._where} ORDER BY {self._order} LIMIT ?"
        )
        return text, [*self._parameters, after, limit]

    def files(self, columns: str, after: int, limit: int = PAGE) -> tuple[str, list[Any]]:
        """Return the same for columns of the instances."""
        text = (
            f"SELECT instance.id, {columns} FROM {self._from} WHERE {self._where} "
            f"ORDER BY {self._order} LIMIT ?"
        )
        return text, [*self._parameters, after, limit]

    def count(self) -> tuple[str, list[Any]]:
        """Return the statement for the number of rows."""
        return f"SELECT COUNT(*) FROM {self._from} WHERE {self._where}", [*self._parameters, 0]

    def kinds(self) -> tuple[str, list[Any]]:
        """Return the statement for the files by SOP class and transfer syntax, most files first."""
        kind = "instance.sop_class_uid, instance.transfer_syntax"
        text = f"SELECT {kind}, COUNT(*) FROM {self._from} WHERE {self._where} GROUP BY {kind} "
        return f"{text}ORDER BY COUNT(*) DESC, {kind}", [*self._parameters, 0]

    def patients(self) -> tuple[str, list[Any]]:
        """Return the statement for the Study Instance UIDs and Patient IDs of a query."""
        text = (
            "SELECT DISTINCT study.study_instance_uid, study.patient_id "
            f"FROM {self._from} WHERE {self._where}"
        )
        return text, [*self._parameters, 0]

    def _table(self, level: Level) -> str:
        """Return the table that has the attributes of a level."""
        if level is Level.PATIENT and self._query.level is not Level.PATIENT:
            level = Level.STUDY
        return level.table

    def _columns(self) -> list[str]:
        query = self._query
        given = [f"{self._table(a.level)}.{a.column}" for a in query.attributes]
        given += [self._expression(one) for one in query.computed]
        return given

    def _expression(self, one: Computed) -> str:
        joins = one.joins
        if self._query.level is not Level.PATIENT:  # then there is no row of the patient
            joins = joins.replace("patient.id", "study.patient")
        if one.column:
            return self._dialect.joined(f"c.{one.column}", joins)
        return f"(SELECT COUNT(*) FROM {joins})"

    def _conditions(self) -> list[str]:
        found = [self._put(self._table(level), c) for level, c in self._query.conditions]
        for condition in self._query.modalities:
            inner = self._put("m", condition)
            found.append(f"EXISTS (SELECT 1 FROM series m WHERE m.study = study.id AND {inner})")
        return found

    def _put(self, table: str, condition: Condition) -> str:
        match condition:
            case Equal(columns, values):
                parts = [self._equal(f"{table}.{column}", values) for column in columns]
            case Like(columns, pattern):
                parts = [self._like(f"{table}.{column}", pattern) for column in columns]
            case Empty(column):
                return f"COALESCE({table}.{column}, '') = ''"
            case Between(column, low, high):
                return self._between(f"{table}.{column}", low, high)
            case Moments():
                return self._moments(table, condition)
            case AnyOf(conditions):
                parts = [self._put(table, one) for one in conditions]
        return f"({' OR '.join(parts)})" if parts else "1 = 0"

    def _equal(self, column: str, values: Sequence[str]) -> str:
        # The concatenation stops SQLite from putting the value in place of the column in the other
        # condition, which then would not be that of an index.
        is_headed = column in _HEADED
        text = self._is_one_of(f"{column} || ''" if is_headed else column, values)
        if is_headed:
            heads = list(dict.fromkeys(value[:HEAD] for value in values))
            text += f" AND {self._is_one_of(head(column), heads)}"
        return f"({text})"

    def _is_one_of(self, column: str, values: Sequence[str]) -> str:
        if len(values) == 1:
            self._parameters.append(values[0])
            return f"{column} = ?"
        text, parameter = self._dialect.is_one_of(column, values)
        self._parameters.append(parameter)
        return text

    def _like(self, column: str, pattern: str) -> str:
        text = ""
        prefix = pattern.replace("?", "*").split("*", 1)[0][:HEAD]
        if prefix and ord(prefix[-1]) < _LAST:  # so that the database can use an index
            self._parameters += [prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)]
            start = head(column) if column in _HEADED else column
            text = f"{start} >= ? AND {start} < ? AND "
        elif pattern.strip("*"):  # second groups of names are mostly empty
            text = f"{column} <> '' AND "
        self._parameters.append(like(pattern))
        return f"({text}{column} LIKE ? ESCAPE '\\')"

    def _between(self, column: str, low: str | None, high: str | None) -> str:
        if low is not None and low == high:
            return self._equal(column, [low])
        bounds = [(bound, sign) for bound, sign in ((low, ">="), (high, "<=")) if bound is not None]
        self._parameters += [bound for bound, _ in bounds]
        parts = [f"{column} {sign} ?" for _, sign in bounds]
        if column in _HEADED:  # bounds are shorter than what is indexed
            self._parameters += [bound for bound, _ in bounds]
            parts += [f"{head(column)} {sign} ?" for _, sign in bounds]
        return " AND ".join([f"{column} > ''", *parts] if low is None else parts)

    def _moments(self, table: str, moments: Moments) -> str:
        """Compare pairs; bounds of the date alone let the database use an index."""
        date, pair = f"{table}.{moments.date}", f"({table}.{moments.date}, {table}.{moments.time})"
        parts = []
        for bound, sign in ((moments.low, ">="), (moments.high, "<=")):
            if bound is not None:
                start = head(date) if date in _HEADED else date
                parts.append(f"{start} {sign} ? AND {pair} {sign} (?, ?)")
                self._parameters += [bound[0], *bound]
        return " AND ".join([f"{date} > ''", *parts] if moments.low is None else parts)


def like(pattern: str) -> str:
    """Return a DICOM wildcard pattern as a pattern of SQL's LIKE."""
    for special in ("\\", "%", "_"):
        pattern = pattern.replace(special, f"\\{special}")
    return pattern.replace("*", "%").replace("?", "_")


JOINS = {
    Level.PATIENT: "patient",
    Level.STUDY: "study",
    Level.SERIES: "series JOIN study ON study.id = series.study",
    Level.IMAGE: (
        "instance JOIN header ON header.id = instance.header "
        "JOIN series ON series.id = header.series JOIN study ON study.id = series.study"
    ),
}

"""The tables, and the migrations from earlier versions.

The statements are the same for both databases, except for the words in braces, which stand for the
`TYPES` of an index.
"""

from __future__ import annotations

from workers.archive.attributes import Level
from workers.archive.comparison_keys import names


def _columns(level: Level) -> str:
    return ", ".join(f"{name} {{text}}" for name in names(level))


_FILE = (
    "transfer_syntax {text} NOT NULL, path {text} NOT NULL, start BIGINT NOT NULL, "
    "size BIGINT NOT NULL, digest {blob} NOT NULL, holder {text} NOT NULL"
)

RETIRED = 1
"""Versions up to this one are not migrated, because their digests were SHA-256."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (),
    (
        f"CREATE TABLE patient (id {{id}}, key {{text}} NOT NULL UNIQUE, "
        f"{_columns(Level.PATIENT)})",
        "CREATE TABLE study (id {id}, patient BIGINT NOT NULL REFERENCES patient(id), "
        f"key {{text}} NOT NULL UNIQUE, {_columns(Level.STUDY)})",
        "CREATE TABLE series (id {id}, study BIGINT NOT NULL REFERENCES study(id), "
        f"key {{text}} NOT NULL, {_columns(Level.SERIES)}, UNIQUE (study, key))",
        "CREATE TABLE instance (id {id}, series BIGINT NOT NULL REFERENCES series(id), "
        f"{_columns(Level.IMAGE)}, {_FILE}, UNIQUE (sop_instance_uid))",
        "CREATE INDEX patient_by_id ON patient (patient_id)",
        "CREATE INDEX patient_by_name ON patient (patient_name_key1)",
        "CREATE INDEX study_by_patient ON study (patient)",
        "CREATE INDEX study_by_uid ON study (study_instance_uid)",
        "CREATE INDEX study_by_date ON study (study_date)",
        "CREATE INDEX study_by_accession ON study (accession_number)",
        "CREATE INDEX series_by_uid ON series (series_instance_uid)",
        "CREATE INDEX instance_by_series ON instance (series)",
        "CREATE INDEX instance_by_path ON instance (path)",
        "CREATE TABLE conflict (id {id}, sop_instance_uid {text} NOT NULL, "
        f"sop_class_uid {{text}} NOT NULL, {_FILE}, at {{real}} NOT NULL, UNIQUE (holder, path))",
        "CREATE INDEX conflict_by_uid ON conflict (sop_instance_uid)",
        "CREATE TABLE journal (seq {seq}, kind {text} NOT NULL, at {real} NOT NULL, "
        "sop_instance_uid {text} NOT NULL, sop_class_uid {text} NOT NULL, "
        f"study_instance_uid {{text}} NOT NULL, series_instance_uid {{text}} NOT NULL, {_FILE})",
        "CREATE TABLE doomed (holder {text} NOT NULL, path {text} NOT NULL, "
        "PRIMARY KEY (holder, path))",
        "CREATE TABLE bucket (holder {text} NOT NULL, name {text} NOT NULL, "
        "changed BIGINT NOT NULL, PRIMARY KEY (holder, name))",
    ),
    ("ALTER TABLE doomed RENAME TO to_delete",),
)
"""The statements that lead from version 0, 1, ... to the next."""

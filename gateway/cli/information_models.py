"""Information models, levels and keys: the options that `find`, `get`, `move` and `load` share."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

import typer

from gateway.uid import KEYWORDS


class Root(StrEnum):
    """Query/retrieve information models (PS3.4 C.6), and the worklist (PS3.4 K.6)."""

    PATIENT = "patient"
    STUDY = "study"
    PATIENT_STUDY = "patient-study"
    WORKLIST = "worklist"


class QueryLevel(StrEnum):
    """Query/Retrieve Level (0008,0052)."""

    PATIENT = "patient"
    STUDY = "study"
    SERIES = "series"
    IMAGE = "image"


_MODELS = {
    Root.PATIENT: "PatientRootQueryRetrieveInformationModel{}",
    Root.STUDY: "StudyRootQueryRetrieveInformationModel{}",
    Root.PATIENT_STUDY: "PatientStudyOnlyQueryRetrieveInformationModel{}",
    Root.WORKLIST: "ModalityWorklistInformationModel{}",
}


@dataclass(frozen=True, kw_only=True)
class QueryOptions:
    """A query: its keys, level and information model."""

    keys: Annotated[list[str], typer.Option("--key", "-k", metavar="KEY[=VALUE]")] = field(
        default_factory=list
    )
    """Attribute to match, by keyword or tag; * and ? are wildcards. Without a value the
    attribute is only returned. A dot leads into a sequence. May be repeated."""
    level: Annotated[QueryLevel, typer.Option("--level")] = QueryLevel.STUDY
    """Query/Retrieve Level."""
    root: Annotated[Root, typer.Option("--root")] = Root.STUDY
    """Information model."""


def model(root: Root, operation: str) -> str:
    """Return the SOP class UID of an information model for `Find`, `Get` or `Move`."""
    try:
        return KEYWORDS[_MODELS[root].format(operation)]
    except KeyError:
        text = f"the {root} model has no C-{operation.upper()}"
        raise typer.BadParameter(text, param_hint="--root") from None

"""What `find`, `get` and `move` share: models, levels, keys, and the counters of a retrieval."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.dimse.status import Category
from gateway.requestor.errors import describe_status
from gateway.uid import KEYWORDS

if TYPE_CHECKING:
    from gateway.cli.peer import Output
    from gateway.requestor.operation import Answered


class Root(StrEnum):
    """Query/retrieve information models (PS3.4 C.6), and the worklist (K.6)."""

    PATIENT = "patient"
    STUDY = "study"
    PATIENT_STUDY = "patient-study"
    WORKLIST = "worklist"


class Level(StrEnum):
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

KeysOption = Annotated[
    list[str],
    typer.Option(
        "--key",
        "-k",
        metavar="KEY[=VALUE]",
        help="A key to match, by keyword or tag; * and ? are wildcards, and without a value it is "
        "only given back. Into a sequence with a dot. May be given more than once.",
    ),
]
LevelOption = Annotated[Level, typer.Option("--level", help="Query/Retrieve Level.")]
RootOption = Annotated[Root, typer.Option("--root", help="Information model.")]


def model(root: Root, operation: str) -> str:
    """The SOP class of `Find`, `Get` or `Move` in an information model."""
    try:
        return KEYWORDS[_MODELS[root].format(operation)]
    except KeyError:
        text = f"the {root} model has no C-{operation.upper()}"
        raise typer.BadParameter(text, param_hint="--root") from None


class Suboperations:
    """Progress and result of a C-GET or C-MOVE, as the peer counts it (PS3.7 9.1.3, 9.1.4)."""

    def __init__(self, output: Output, verb: str) -> None:
        self._output = output
        self._verb = verb
        self._last: tuple[int, ...] = ()
        self._progress = None
        if output.fancy:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                console=output.console,
                transient=True,
            )
            self._task = self._progress.add_task(verb, total=None)

    def __enter__(self) -> Suboperations:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def pending(self, answered: Answered) -> None:
        """A response on the way."""
        remaining, completed, failed, warning = counters(answered)
        done = completed + failed + warning
        if self._progress is not None:
            self._progress.update(self._task, completed=done, total=done + remaining)
        elif (remaining, done) != self._last:
            self._last = (remaining, done)
            self._output.event(
                "progress",
                f"{done} of {done + remaining} {self._verb}",
                remaining=remaining,
                completed=completed,
                failed=failed,
                warning=warning,
            )

    def end(self, sop_class: str, final: Answered, **more: int) -> int:
        """The last line, and the exit status."""
        remaining, completed, failed, warning = counters(final)
        words = describe_status(sop_class, final.response)
        parts = [f"{completed} {self._verb}"]
        for number, what in ((warning, "with a warning"), (failed, "failed")):
            parts += [f"{number} {what}"] if number else []
        parts += [f"{remaining} not begun"] if remaining else []
        parts += [f"{number} {what}" for what, number in more.items() if number]
        self._output.event(
            "summary",
            f"{', '.join(parts)}; {words}",
            status=final.status,
            text=words,
            remaining=remaining,
            completed=completed,
            failed=failed,
            warning=warning,
            **more,
        )
        return 0 if final.category is Category.SUCCESS and not failed else 1


def counters(answered: Answered) -> tuple[int, int, int, int]:
    """Remaining, completed, failed and warning sub-operations; 0 for what is not said."""
    response = answered.response
    remaining, completed, failed, warning = (
        getattr(response, f"number_of_{name}_suboperations", None) or 0
        for name in ("remaining", "completed", "failed", "warning")
    )
    return remaining, completed, failed, warning

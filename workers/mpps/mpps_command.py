"""`dicom-gateway mpps`: list and show the performed procedure steps of the worker `mpps`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.errors import ConfigError, GatewayError
from gateway.shared_options import ConfigOption, DataOption, JsonOption, command_group
from workers.archive.command_options import locate, print_json, printable
from workers.archive.procedure_steps import StepTable
from workers.archive.queue_options import AllQueued, QueuedFor, QueuedNumbers, queued_in
from workers.mpps.step_outbox import SENT, STATES, StepOutbox

if TYPE_CHECKING:
    from workers.archive.index import Index
    from workers.archive.procedure_steps import ProcedureStep
    from workers.mpps.step_outbox import StepMessage

app = command_group("List and show performed procedure steps, and what is to be passed on of them.")

_PAGE = 500


@app.command()
def ls(
    context: typer.Context,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    state: Annotated[
        str, typer.Option("--state", metavar="CS", help="In this state, as COMPLETED.")
    ] = "",
) -> None:
    """List the steps: state, AE title, modality, start, instances in the archive, study, UID."""
    archive = locate(context, config, data)
    with archive.open_index() as index:
        for step in StepTable(index).steps():
            if state and step.state != state.upper():
                continue
            values = _summary(step, index)
            if as_json:
                print_json(values)
            else:
                print(_line(values))


@app.command()
def show(
    context: typer.Context,
    uid: Annotated[str, typer.Argument(help="SOP Instance UID of the step.", metavar="UID")],
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a step with all attributes; with --json in the DICOM JSON model.

    The exit status is 1 if there is none with this UID.
    """
    archive = locate(context, config, data)
    with archive.open_index() as index:
        step = StepTable(index).find(uid)
        if step is None:
            raise GatewayError(f"there is no performed procedure step {uid}")
        values = _summary(step, index)
    if as_json:
        print_json({**values, "attributes": step.attributes})
        return
    print(_line(values))
    for line in str(step.data_set()).splitlines():
        print(printable(line))


@app.command("outbox")
def outbox(
    context: typer.Context,
    to: QueuedFor = "",
    state: Annotated[str, queued_in(STATES)] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the messages that are to be passed on, with the reason of the last failure."""
    with locate(context, config, data).open_index() as index:
        rows, after, number = StepOutbox(index), 0, 0
        while page := rows.rows(to, state, after):
            for one in page:
                if one.state == SENT and state != SENT:
                    continue
                number += 1
                _print_message(one, as_json)
            after = page[-1].id
    if not as_json:
        print(f"{number} listed")


@app.command("retry")
def retry(
    context: typer.Context,
    numbers: QueuedNumbers = None,
    to: QueuedFor = "",
    everything: AllQueued = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Pass messages on as soon as possible, parked ones too."""
    _check_selection(numbers, to, everything)
    with locate(context, config, data).open_index() as index:
        print(f"tried again: {StepOutbox(index).retry(to, numbers or ())}")


@app.command("drop")
def drop(
    context: typer.Context,
    numbers: QueuedNumbers = None,
    to: QueuedFor = "",
    everything: AllQueued = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Pass messages on no more, so that what follows them for their steps is."""
    _check_selection(numbers, to, everything)
    with locate(context, config, data).open_index() as index:
        print(f"dropped: {StepOutbox(index).drop(to, numbers or ())}")


def _check_selection(numbers: list[int] | None, to: str, everything: bool) -> None:
    if not numbers and not to and not everything:
        raise ConfigError("say which: NUMBER, --to, or --all")


def _print_message(one: StepMessage, as_json: bool) -> None:
    values = {
        "number": one.id,
        "destination": one.destination,
        "state": one.state,
        "operation": one.operation,
        "attempts": one.attempts,
        "queued": one.queued,
        "sop_instance_uid": one.uid,
        "reason": one.reason,
    }
    if as_json:
        print_json(values)
        return
    reason = f"  {printable(one.reason)}" if one.reason else ""
    print(
        f"{one.id:>9}  {one.destination:<16}  {one.state:<7}  {one.operation:<8}  "
        f"{one.attempts:>3} failed  {printable(one.uid)}{reason}"
    )


def _summary(step: ProcedureStep, index: Index) -> dict[str, Any]:
    uids = [uid for of_series in step.instances.values() for uid in of_series]
    stored = sum(
        len(index.find_all(uids[begin : begin + _PAGE])) for begin in range(0, len(uids), _PAGE)
    )
    return {
        "sop_instance_uid": step.uid,
        "state": step.state,
        "ae_title": step.peer,
        "address": step.address,
        "modality": step.text("00080060"),
        "created": step.created,
        "changed": step.changed,
        "study_instance_uids": step.studies,
        "series_instance_uids": list(step.instances),
        "instances": len(uids),
        "stored": stored,
    }


def _line(values: dict[str, Any]) -> str:
    started = datetime.fromtimestamp(values["created"]).strftime("%Y-%m-%d %H:%M:%S")
    studies = ",".join(values["study_instance_uids"])
    texts = (
        *(values["state"], values["ae_title"], values["modality"], started),
        *(f"{values['stored']}/{values['instances']}", studies, values["sop_instance_uid"]),
    )
    return "  ".join(printable(text) for text in texts)

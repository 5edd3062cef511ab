"""`dicom-gateway mpps`: list and show the performed procedure steps of the worker `mpps`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.errors import GatewayError
from gateway.shared_options import ConfigOption, DataOption, JsonOption
from workers.archive.command_options import (
    locate,
    print_json,
    printable,
)
from workers.archive.procedure_steps import StepFolder

if TYPE_CHECKING:
    from workers.archive.index import Index
    from workers.archive.procedure_steps import ProcedureStep

app = typer.Typer(
    help="List or show performed procedure steps.", no_args_is_help=True, rich_markup_mode=None
)

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
        for step in StepFolder(archive.data_dir).steps():
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
    step = StepFolder(archive.data_dir).find(uid)
    if step is None:
        raise GatewayError(f"there is no performed procedure step {uid}")
    with archive.open_index() as index:
        values = _summary(step, index)
    if as_json:
        print_json({**values, "attributes": step.attributes})
        return
    print(_line(values))
    for line in str(step.data_set()).splitlines():
        print(printable(line))


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

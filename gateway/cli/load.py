"""`dicom-gateway load`: any SCP under a load that is stated, and how it bore it."""

from __future__ import annotations

import asyncio
import random
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from gateway.cli.load_options import (
    AssociationsOption,
    CountOption,
    DrainOption,
    DurationOption,
    EveryOption,
    FilesOption,
    GiveUpOption,
    HtmlFileOption,
    JsonFileOption,
    Keep,
    KeepUidsOption,
    MixOption,
    NewAssociationOption,
    Operation,
    OperationOption,
    PoissonOption,
    ProcessesOption,
    RampOption,
    RateOption,
    SeedOption,
    SizeOption,
    SloOption,
    StudyOption,
    VerifyOption,
)
from gateway.cli.load_report import Outputs
from gateway.cli.peer import (
    AecOption,
    AetOption,
    HostArgument,
    Interrupt,
    MaxPduOption,
    Output,
    PortArgument,
    TimeoutOption,
    check_titles,
    run,
)
from gateway.cli.query import KeysOption, Level, LevelOption, Root, RootOption, model
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.load.accountant import Verification
    from gateway.load.objectives import Objective
    from gateway.load.plan import Plan, Rate

_BY_FIND = "find"
_FOREVER = 1e9
"""Seconds; a count ends it."""


def command(  # noqa: PLR0913, PLR0917 - a command has as many options as it has
    host: HostArgument,
    port: PortArgument,
    operation: OperationOption = Operation.STORE,
    associations: AssociationsOption = 1,
    count: CountOption = None,
    duration: DurationOption = None,
    rate: RateOption = None,
    ramp: RampOption = None,
    poisson: PoissonOption = False,
    files: FilesOption = [],  # noqa: B006 - typer's way to say that there may be none
    keep_uids: KeepUidsOption = False,
    mix: MixOption = "ct",
    size: SizeOption = None,
    study: StudyOption = None,
    new_association: NewAssociationOption = Keep.KEEP,
    keys: KeysOption = [],  # noqa: B006 - as above
    level: LevelOption = Level.STUDY,
    root: RootOption = Root.STUDY,
    slo: SloOption = None,
    processes: ProcessesOption = 1,
    verify: VerifyOption = None,
    json_file: JsonFileOption = None,
    html_file: HtmlFileOption = None,
    every: EveryOption = 1.0,
    seed: SeedOption = 0,
    give_up: GiveUpOption = 5.0,
    drain: DrainOption = 10.0,
    aet: AetOption = "LOAD",
    aec: AecOption = "ANY-SCP",
    max_pdu: MaxPduOption = 262_144,
    timeout: TimeoutOption = 30.0,
) -> None:
    """Put a DICOM server under load and measure how it bears it.

    Without --rate or --ramp each association does one operation after the other (a closed loop).
    With it operations become due by the clock, and a peer that stands still is charged with all
    that it held up. Without --count and --duration it runs for 10 seconds.

    Exit status: 0 all went well (or the --slo was met), 3 the --slo was missed, 1 anything else
    that failed, 2 a wrong option, 130 interrupted. Examples:

    dicom-gateway load 127.0.0.1 11112 --associations 10 --duration 20 --html report.html

    dicom-gateway load 127.0.0.1 11112 --ramp 50:2000:30s --slo "p99<250ms,errors<0.1%"

    dicom-gateway load 127.0.0.1 11112 --count 1000 --mix ct=70,mr=20,dx=10 --verify gateway-data
    """
    from gateway.load import arguments, objectives
    from gateway.load.identity import new_root
    from gateway.load.plan import Plan

    check_titles(aet=aet, aec=aec)
    is_store = operation is Operation.STORE
    _refuse(
        (rate is not None and ramp is not None, "--ramp", "not together with --rate"),
        (rate is not None and not rate > 0, "--rate", "must be above 0"),
        (ramp is not None and duration is not None, "--ramp", "says how long, as does --duration"),
        (keep_uids and not files, "--keep-uids", "is for --files"),
        (bool(files) and bool(size or study), "--files", "not together with --size or --study"),
        (bool(files) and not is_store, "--files", "is for --operation store"),
        (bool(keys) and operation is not Operation.FIND, "--key", "is for --operation find"),
        (verify is not None and not is_store, "--verify", "is for --operation store"),
        (processes > associations, "--processes", "more than there are --associations"),
        (
            verify not in (None, _BY_FIND) and not Path(verify or "").is_dir(),
            "--verify",
            f"{verify} is no folder; write a folder, or find",
        ),
    )
    if duration is None and count is None and ramp is None:
        duration = "10s"
    seconds = None if duration is None else _named("--duration", arguments.duration, duration)
    terms = _named("--slo", objectives.parse, slo) if slo else ()
    sop_class, identifier = _query(root, level, keys) if operation is Operation.FIND else ("", "")
    plan = Plan(
        host,
        port,
        operation.value,
        aet=aet,
        aec=aec,
        timeout=timeout,
        max_pdu=max_pdu,
        associations=associations,
        keep=new_association.value,
        count=count,
        duration=seconds,
        rate=_rate(rate, ramp, seconds),
        poisson=poisson,
        files=tuple(str(path) for path in files),
        keep_uids=keep_uids,
        size=_named("--size", arguments.size, size) if size else None,
        mix=_named("--mix", arguments.mix, mix),
        study=_named("--study", arguments.study, study) if study else None,
        find_sop_class=sop_class,
        find_identifier=identifier,
        give_up=give_up,
        drain=drain,
        processes=processes,
        root=new_root(),
        seed=seed or random.SystemRandom().randrange(1, 1 << 31),
    )
    outputs = Outputs(json_file, html_file, every)
    outputs.check()
    run(Output(False), lambda interrupt: _load(plan, interrupt, terms, verify, outputs))


T = TypeVar("T")


def _named(option: str, parse: Callable[[str], T], text: str) -> T:
    """The value of an option; an error names it."""
    try:
        return parse(text)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _refuse(*checks: tuple[bool, str, str]) -> None:
    """(is wrong, option, why) of what does not go together."""
    for is_wrong, option, why in checks:
        if is_wrong:
            raise typer.BadParameter(why, param_hint=option)


def _rate(rate: float | None, ramp: str | None, seconds: float | None) -> Rate | None:
    from gateway.load import arguments
    from gateway.load.plan import Rate

    if ramp is not None:
        return _named("--ramp", arguments.ramp, ramp)
    if rate is None:
        return None
    return Rate(rate, rate, _FOREVER if seconds is None else seconds)


def _query(root: Root, level: Level, keys: list[str]) -> tuple[str, str]:
    """SOP class, and identifier in hexadecimal digits."""
    from gateway.cli import keys as keys_
    from gateway.datasets.coding import encoder
    from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN

    asked = keys_.identifier(
        keys, None if root is Root.WORKLIST else level, keys_.returned_by(root, level)
    )
    return model(root, "Find"), encoder(asked)(IMPLICIT_VR_LITTLE_ENDIAN).hex()


async def _load(
    plan: Plan,
    interrupt: Interrupt,
    terms: tuple[Objective, ...],
    verify: str | None,
    outputs: Outputs,
) -> int:
    from gateway.load.coordinator import Coordinator

    with tempfile.TemporaryDirectory(prefix="dicom-gateway-load-") as folder:
        journals = Path(folder) if verify is not None else None
        coordinator = Coordinator(plan, outputs.update, outputs.line, journals)
        result = coordinator.result
        result.objectives, result.command = terms, _command()

        async def stop() -> None:
            coordinator.stop()

        interrupt.ask = stop
        try:
            with outputs.showing(result):
                await coordinator.run()
        except asyncio.CancelledError:
            outputs.tell(result)
            raise
        if verify is not None and journals is not None:
            result.verification = await _verify(plan, journals, verify)
    outputs.tell(result)
    return result.status


async def _verify(plan: Plan, journals: Path, where: str) -> Verification:
    from gateway.load.accountant import Accountant

    accountant = await asyncio.to_thread(Accountant, plan, journals)
    if where == _BY_FIND:
        return await accountant.ask()
    return await asyncio.to_thread(accountant.compare_folder, Path(where))


def _command() -> str:
    """What was typed, to be typed again."""
    return shlex.join(["dicom-gateway", *sys.argv[1:]])

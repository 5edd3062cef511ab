"""`dicom-gateway load`: generate load for any SCP and measure how it responds."""

from __future__ import annotations

import asyncio
import random
import shlex
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from gateway.cli.information_models import QueryOptions, model
from gateway.cli.interrupt import run
from gateway.cli.load_cleanup import clean_up
from gateway.cli.load_options import LoadOperation, LoadOptions
from gateway.cli.load_report import LoadReport
from gateway.cli.options import with_options
from gateway.cli.output import Output
from gateway.cli.peer_options import ConnectionOptions
from gateway.cli.security import TlsOptions
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.cli.interrupt import Interrupt
    from gateway.load.load_plan import Plan, Rate
    from gateway.load.objectives import Objective
    from gateway.load.verification import Verification

_BY_FIND = "find"
_DEFAULT_DURATION = "10s"
_ONE_ASSOCIATION = (
    "note: one association performs one operation at a time, so that it limits the rate; "
    "more: --associations N"
)
_NO_END = 1e9
"""Seconds of a rate whose end is a number of operations."""


@with_options(ConnectionOptions, "connection", aet="LOAD")
@with_options(QueryOptions, "query")
@with_options(LoadOptions, "options")
@with_options(TlsOptions, "tls")
def command(
    *,
    options: LoadOptions,
    query: QueryOptions,
    connection: ConnectionOptions,
    tls: TlsOptions,
) -> None:
    """Put a DICOM server under load and measure its latency and throughput.

    Without --rate or --ramp each association performs one operation after the other (closed loop).
    With one of them operations start by the clock (open loop), and the time that the peer delays
    them counts as latency. Without --count and --duration the run takes 10 seconds.

    Exit status: 0 success (or every --slo was met), 1 an operation or association failed, 2 wrong
    option, 3 an --slo was missed, 130 interrupted. Examples:

    dicom-gateway load 127.0.0.1 11112 --associations 10 --duration 20 --html report.html

    dicom-gateway load 127.0.0.1 11112 --ramp 50:2000:30s --slo "p99<250ms,errors<0.1%"

    dicom-gateway load 127.0.0.1 11112 --count 1000 --mix ct=70,mr=20,dx=10 --verify gateway-data

    `dicom-gateway compare` sets two reports (--json) side by side.
    """
    from gateway.load import objectives

    _check(options, query)
    terms = _parsed("--slo", objectives.parse, options.slo) or ()
    tls.check_files()
    plan = replace(_plan(options, query, connection), tls=_tls(tls))
    report = LoadReport(options.json_file, options.html_file, options.every)
    report.check_files()
    after = _Afterwards(options.verify, options.cleanup)
    run(Output(False), lambda interrupt: _load(plan, interrupt, terms, after, report))


@dataclass(frozen=True, slots=True)
class _Afterwards:
    """What is done with the instances once the load is over."""

    verify: str | None
    cleanup: Path | None


def _check(options: LoadOptions, query: QueryOptions) -> None:
    """Raise BadParameter for options that do not go together."""
    is_store = options.operation is LoadOperation.STORE
    rate, ramp, files, verify = options.rate, options.ramp, bool(options.files), options.verify
    for is_wrong, option, why in (
        (rate is not None and ramp is not None, "--ramp", "cannot be combined with --rate"),
        (rate is not None and not rate > 0, "--rate", "must be above 0"),
        (
            ramp is not None and options.duration is not None,
            "--ramp",
            "states its own duration: leave out --duration",
        ),
        (options.keep_uids and not files, "--keep-uids", "needs --files"),
        (
            files and bool(options.size or options.study),
            "--files",
            "cannot be combined with --size or --study",
        ),
        (files and not is_store, "--files", "needs --operation store"),
        (
            bool(query.keys) and options.operation is not LoadOperation.FIND,
            "--key",
            "needs --operation find",
        ),
        (verify is not None and not is_store, "--verify", "needs --operation store"),
        (
            options.cleanup is not None and (not is_store or options.keep_uids),
            "--cleanup",
            "needs --operation store, and cannot be combined with --keep-uids",
        ),
        (
            options.cleanup is not None and not options.cleanup.is_dir(),
            "--cleanup",
            f"{options.cleanup} is not a directory: give the data directory of the gateway",
        ),
        (
            options.processes > options.associations,
            "--processes",
            "cannot be more than --associations",
        ),
        (
            verify not in (None, _BY_FIND) and not Path(verify or "").is_dir(),
            "--verify",
            f"{verify} is not a directory: give a directory, or 'find'",
        ),
    ):
        if is_wrong:
            raise typer.BadParameter(why, param_hint=option)


def _plan(options: LoadOptions, query: QueryOptions, connection: ConnectionOptions) -> Plan:
    from gateway.load import arguments
    from gateway.load.instance_identity import new_root
    from gateway.load.load_plan import Plan

    duration = options.duration
    if duration is None and options.count is None and options.ramp is None:
        duration = _DEFAULT_DURATION
    seconds = _parsed("--duration", arguments.duration, duration)
    is_find = options.operation is LoadOperation.FIND
    return Plan(
        connection.host,
        connection.port,
        options.operation.value,
        aet=connection.aet,
        aec=connection.aec,
        timeout=connection.timeout,
        max_pdu=connection.max_pdu,
        associations=options.associations,
        keep=options.keep.value,
        count=options.count,
        duration=seconds,
        rate=_rate(options, seconds),
        poisson=options.poisson,
        files=tuple(str(path) for path in options.files),
        keep_uids=options.keep_uids,
        size=_parsed("--size", arguments.size, options.size),
        mix=_parsed("--mix", arguments.mix, options.mix) or {},
        study=_parsed("--study", arguments.study, options.study),
        **(_query(query) if is_find else {}),
        give_up=options.give_up,
        drain=options.drain,
        processes=options.processes,
        root=new_root(),
        seed=options.seed or random.SystemRandom().randrange(1, 1 << 31),
    )


def _tls(options: TlsOptions) -> tuple[str, str, str, str] | None:
    if not options.uses_tls:
        return None
    cert, key, ca = (
        str(path.absolute()) if path else ""
        for path in (options.tls_cert, options.tls_key, options.tls_ca)
    )
    return cert, key, ca, options.tls_name or ""


T = TypeVar("T")


def _parsed(option: str, parse: Callable[[str], T], text: str | None) -> T | None:
    """Return the value of an option, None if it is absent; an error names the option."""
    if text is None:
        return None
    try:
        return parse(text)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _rate(options: LoadOptions, seconds: float | None) -> Rate | None:
    from gateway.load import arguments
    from gateway.load.load_plan import Rate

    if options.rate is None:
        return _parsed("--ramp", arguments.ramp, options.ramp)
    return Rate(options.rate, options.rate, _NO_END if seconds is None else seconds)


def _query(query: QueryOptions) -> dict[str, Any]:
    from gateway.cli.keys import find_identifier
    from gateway.datasets.coding import encoder
    from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN

    identifier = encoder(find_identifier(query))(IMPLICIT_VR_LITTLE_ENDIAN)
    return {"find_sop_class": model(query.root, "Find"), "find_identifier": identifier.hex()}


async def _load(
    plan: Plan,
    interrupt: Interrupt,
    terms: tuple[Objective, ...],
    after: _Afterwards,
    report: LoadReport,
) -> int:
    from gateway.load.coordinator import Coordinator

    with tempfile.TemporaryDirectory(prefix="dicom-gateway-load-") as folder:
        journals = Path(folder) if after.verify or after.cleanup else None
        coordinator = Coordinator(plan, report.update, report.line, journals)
        result = coordinator.result
        result.objectives = terms
        result.command = shlex.join(["dicom-gateway", *sys.argv[1:]])

        async def stop() -> None:
            coordinator.stop()

        interrupt.ask = stop
        if plan.rate is not None and plan.associations == 1:
            report.line(_ONE_ASSOCIATION)
        try:
            with report.progress(result):
                await coordinator.run()
        except asyncio.CancelledError:
            report.write(result)
            raise
        if after.verify is not None and journals is not None:
            result.verification = await _verify(plan, journals, after.verify)
        if after.cleanup is not None and journals is not None:
            result.cleanup = await clean_up(plan, journals, after.cleanup)
    report.write(result)
    return result.status


async def _verify(plan: Plan, journals: Path, where: str) -> Verification:
    from gateway.load.verification import Verifier

    verifier = await asyncio.to_thread(Verifier, plan, journals)
    if where == _BY_FIND:
        return await verifier.query()
    return await asyncio.to_thread(verifier.compare_folder, Path(where))

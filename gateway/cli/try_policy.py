"""`dicom-gateway policy try`: say what the policy would answer to a peer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.common import settings_of
from gateway.shared_options import ConfigOption, DataOption, command_group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.policy_rules import Verdict
    from gateway.settings import Settings

command = command_group("Try the policy: who is let in, and for what.")
_Many = Annotated[
    list[str] | None,
    typer.Option("--sop-class", metavar="UID", help="SOP class, by UID or keyword; repeatable."),
]


@command.command("try")
def try_policy(  # noqa: PLR0913, PLR0917 - what is known of a peer
    calling: Annotated[str, typer.Option(metavar="AET", help="Calling AE title.")],
    address: Annotated[str, typer.Option("--from", metavar="ADDRESS", help="The peer's address.")],
    called: Annotated[
        str, typer.Option(metavar="AET", help="Called AE title.", show_default="the gateway's")
    ] = "",
    sop_class: _Many = None,
    tls_subject: Annotated[
        str, typer.Option(metavar="SUBJECT", help='Subject of its certificate, as "CN=CT1".')
    ] = "",
    user: Annotated[bool, typer.Option("--user", help="It sends a user identity.")] = False,
    passcode: Annotated[
        bool, typer.Option("--plain-passcode", help="It sends a passcode, and no TLS.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say what would happen to an association request, and which rule decides.

    No gateway need run; if one does, its state counts too. The sentence is the one that stands in
    the log and on the page if such a peer comes. The exit status is 0 if the peer is let in with
    all SOP classes, and 1 if not.
    """
    from gateway.policy_rules import RequestingPeer, decide

    settings = settings_of(config, data=data)
    title = settings.gateway.ae_title
    peer = RequestingPeer(
        calling, called or title, address, tls_subject, user or passcode, passcode
    )
    status = _status(settings)
    verdict = _for_now(settings, status, decide(settings.policy, title, peer))
    print(verdict.sentence)
    is_refused = verdict.rejection is not None
    if verdict.rejection is not None:
        told = verdict.rejection
        print(f"A-ASSOCIATE-RJ ({told.result},{told.source},{told.reason}): {told.describe()}")
    else:
        for uid in sop_class or ():
            text, is_accepted = _for_class(verdict, uid)
            is_refused = is_refused or not is_accepted
            print(text)
        for text in _workers(status, peer.has_identity):
            print(text)
    raise typer.Exit(1 if is_refused else 0)


def _for_class(verdict: Verdict, name: str) -> tuple[str, bool]:
    """Return what the rule says of a SOP class, and whether it permits it."""
    from gateway.policy_rules import Permit
    from gateway.uid import KEYWORDS, name_of

    uid = KEYWORDS.get(name, name)
    as_scu, as_scp = Permit(verdict.rule).roles(uid) if verdict.rule else (True, True)
    roles = " and ".join(role for role, may in (("SCU", as_scu), ("SCP", as_scp)) if may)
    if not roles:
        return f"{name_of(uid)}: refused (user rejection): name it in that rule", False
    return f"{name_of(uid)}: permitted, as {roles}, if a worker serves it", True


def _status(settings: Settings) -> dict[str, Any] | None:
    """Return the status of the gateway that runs; None if none does."""
    from gateway.errors import GatewayError
    from gateway.supervisor import ask_running

    try:
        return ask_running(Path(settings.gateway.data), "status")
    except GatewayError:
        return None


def _for_now(settings: Settings, status: dict[str, Any] | None, verdict: Verdict) -> Verdict:
    """Return the verdict on a peer that comes at this moment."""
    from gateway.policy_rules import DRAINED, lacks_required
    from gateway.ul.negotiation import TEMPORARY_CONGESTION

    if status is None:
        return verdict
    if status["drained"]:
        return replace(verdict, sentence=DRAINED, rejection=TEMPORARY_CONGESTION)
    held = {event for one in (*status["workers"], *status["others"]) for event in one["holds"]}
    for event in settings.policy.require if verdict.rejection is None else ():
        if event not in held:
            text = lacks_required(event)
            return replace(verdict, sentence=text, rejection=TEMPORARY_CONGESTION)
    return verdict


def _workers(status: dict[str, Any] | None, has_identity: bool) -> Iterator[str]:
    """Yield which workers of the running gateway are asked besides."""
    if status is None:
        yield "no gateway runs: workers that answer EVT_ASSOCIATE or EVT_USER_ID are not known"
        return
    for event in ["EVT_ASSOCIATE", *(["EVT_USER_ID"] if has_identity else [])]:
        for worker in (*status["workers"], *status["others"]):
            if event in worker["holds"]:
                yield f"worker {worker['name']} is asked: it answers {event}"

"""What an association is asked to do: which contexts it proposes, and its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from gateway.dimse.message import CEchoRQ, CFindRQ, CStoreRQ, Request
from gateway.load import files, prepared, template
from gateway.load.identity import Field, Identity
from gateway.load.plan import ECHO, FIND, STUDY, Plan
from gateway.load.source import FromFiles, Generated, Source
from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from gateway.ul.negotiation import MAX_CONTEXTS

if TYPE_CHECKING:
    from gateway.load.prepared import Prepared
    from gateway.load.template import Template
    from gateway.requestor.proposal import Contexts
    from gateway.requestor.services import Association
    from gateway.ul.negotiation import AcceptedContext


class Job(NamedTuple):
    """One operation, ready to be sent."""

    context: AcceptedContext
    request: Request
    groups: list[list[bytes]]
    size: int
    sop_class_uid: str
    identity: Identity | None
    """Of what is stored."""


class Work(Protocol):
    """An operation that is done again and again."""

    contexts: Contexts

    def job(self, association: Association, lane: int) -> Job:
        """The next one; raises NotAccepted if this association cannot carry it."""

    def study_ended(self, lane: int) -> bool:
        """It is time for another association, if each study has its own."""


class Plain:
    """C-ECHO and C-FIND: the same message each time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sop_class = plan.find_sop_class if plan.operation == FIND else VERIFICATION
        self.contexts: Contexts = ((self._sop_class, (IMPLICIT_VR_LITTLE_ENDIAN,)),)
        self._prepared: dict[tuple[int, int], Prepared] = {}

    def job(self, association: Association, lane: int) -> Job:  # noqa: ARG002 - as Work
        context = association.context_for(self._sop_class)
        message_id = association.next_message_id()
        key = context.id, association.peer_max_length
        message = self._prepared.get(key)
        if message is None:
            message = self._prepared[key] = self._prepare(*key)
        groups = message.groups({Field.MESSAGE_ID: message_id.to_bytes(2, "little")})
        request: Request = CEchoRQ(message_id)
        if self._plan.operation != ECHO:
            request = CFindRQ(message_id, self._sop_class)
        return Job(context, request, groups, message.size, self._sop_class, None)

    def study_ended(self, lane: int) -> bool:  # noqa: ARG002 - as Work
        return True

    def _prepare(self, context_id: int, limit: int) -> Prepared:
        if self._plan.operation == ECHO:
            return prepared.echo(context_id, limit)
        identifier = bytes.fromhex(self._plan.find_identifier)
        return prepared.find(self._sop_class, identifier, context_id, limit)


class Store:
    """C-STORE of one instance after the other."""

    def __init__(self, plan: Plan, templates: list[Template]) -> None:
        self._root = plan.root
        self._templates = templates
        self._source: Source = FromFiles(templates, plan.process)
        if not plan.files:
            self._source = Generated(templates, plan.process, whole=plan.keep == STUDY)
        kinds = dict.fromkeys((one.sop_class_uid, one.transfer_syntax_uid) for one in templates)
        self.contexts: Contexts = tuple((uid, (syntax,)) for uid, syntax in kinds)[:MAX_CONTEXTS]
        self._prepared: dict[tuple[int, int, int], Prepared] = {}

    def job(self, association: Association, lane: int) -> Job:
        identity = self._source.next(lane)
        template = self._templates[identity.template]
        context = association.context_for(template.sop_class_uid, template.transfer_syntax_uid)
        message_id = association.next_message_id()
        key = identity.template, context.id, association.peer_max_length
        message = self._prepared.get(key)
        if message is None:
            message = prepared.store(template, context.id, association.peer_max_length, self._root)
            self._prepared[key] = message
        values = identity.values(self._root)
        values[Field.MESSAGE_ID] = message_id.to_bytes(2, "little")
        uid = template.own_uid or identity.instance_uid(self._root)
        request = CStoreRQ(message_id, template.sop_class_uid, uid)
        groups = message.groups(values)
        return Job(context, request, groups, message.size, template.sop_class_uid, identity)

    def study_ended(self, lane: int) -> bool:
        return self._source.study_ended(lane)


def templates_of(plan: Plan) -> tuple[list[Template], list[str]]:
    """What a store load sends, and notes on files; raises ConfigError."""
    if plan.files:
        loaded = files.load(plan.files, plan.root, keep_uids=plan.keep_uids)
        return loaded.templates, loaded.notes
    return template.generated(plan.mix, plan.size, plan.study, plan.root), []

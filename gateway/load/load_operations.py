"""The operations of a load: the contexts that it proposes, and the messages that it sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.dimse.message import CEchoRQ, CFindRQ, CStoreRQ, Request
from gateway.load import file_templates, prepared, template
from gateway.load.instance_identity import MESSAGE_ID_PLACEHOLDER, Field, InstanceIdentity
from gateway.load.instance_sequence import FileInstances, GeneratedInstances
from gateway.load.load_plan import FIND, STUDY, Plan
from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from gateway.ul.negotiation import MAX_CONTEXTS

if TYPE_CHECKING:
    from gateway.load.prepared import PreparedMessage
    from gateway.load.template import Template
    from gateway.requestor.proposal import Contexts
    from gateway.requestor.requestor_association import RequestorAssociation
    from gateway.ul.negotiation import AcceptedContext


class PreparedOperation(NamedTuple):
    """One operation, ready to be sent."""

    context: AcceptedContext
    request: Request
    groups: list[list[bytes]]
    size: int
    sop_class_uid: str
    identity: InstanceIdentity | None
    """The stored instance; None for other operations."""


class RepeatedMessage:
    """C-ECHO or C-FIND: the same message each time."""

    def __init__(self, plan: Plan) -> None:
        is_find = plan.operation == FIND
        self._sop_class = plan.find_sop_class if is_find else VERIFICATION
        self._identifier = bytes.fromhex(plan.find_identifier) if is_find else None
        self.contexts: Contexts = ((self._sop_class, (IMPLICIT_VR_LITTLE_ENDIAN,)),)
        self._prepared: dict[tuple[int, int], PreparedMessage] = {}

    def next(
        self,
        association: RequestorAssociation,
        performer: int,  # noqa: ARG002 - as in StoreSequence
    ) -> PreparedOperation:
        """Return the next operation; raises NotAccepted if no context accepts it."""
        context = association.context_for(self._sop_class)
        message_id = association.next_message_id()
        key = context.id, association.peer_max_length
        message = self._prepared.get(key)
        if message is None:
            request = self._request(MESSAGE_ID_PLACEHOLDER)
            message = prepared.plain(request, context.id, self._identifier, key[1])
            self._prepared[key] = message
        groups = message.groups({Field.MESSAGE_ID: message_id.to_bytes(2, "little")})
        request = self._request(message_id)
        return PreparedOperation(context, request, groups, message.size, self._sop_class, None)

    def study_ended(self, performer: int) -> bool:  # noqa: ARG002 - as in StoreSequence
        return True

    def _request(self, message_id: int) -> Request:
        if self._identifier is None:
            return CEchoRQ(message_id)
        return CFindRQ(message_id, self._sop_class)


class StoreSequence:
    """C-STORE of a sequence of instances."""

    def __init__(self, plan: Plan, templates: list[Template]) -> None:
        self._root = plan.root
        self._templates = templates
        self._instances: FileInstances | GeneratedInstances = FileInstances(templates, plan.process)
        if not plan.files:
            self._instances = GeneratedInstances(templates, plan.process, whole=plan.keep == STUDY)
        kinds = dict.fromkeys((one.sop_class_uid, one.transfer_syntax_uid) for one in templates)
        self.contexts: Contexts = tuple((uid, (syntax,)) for uid, syntax in kinds)[:MAX_CONTEXTS]
        self._prepared: dict[tuple[int, int, int], PreparedMessage] = {}

    def next(self, association: RequestorAssociation, performer: int) -> PreparedOperation:
        """Return the next operation; raises NotAccepted if no context accepts it."""
        identity = self._instances.next(performer)
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
        return PreparedOperation(
            context, request, groups, message.size, template.sop_class_uid, identity
        )

    def study_ended(self, performer: int) -> bool:
        """Return whether the last operation of this performer ended a study."""
        return self._instances.study_ended(performer)


OperationSource: TypeAlias = RepeatedMessage | StoreSequence
"""Makes the operations of a load, one after the other."""


def templates_of(plan: Plan) -> tuple[list[Template], list[str]]:
    """Return what a C-STORE load sends, and remarks on files; raises ConfigError."""
    if plan.files:
        return file_templates.load(plan.files, plan.root, keep_uids=plan.keep_uids)
    return template.generated(plan.mix, plan.size, plan.study, plan.root), []

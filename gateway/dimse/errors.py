"""Faults of a message, and what it takes to answer them (PS3.7 annex C)."""

from __future__ import annotations

from typing import NamedTuple

from gateway.errors import DimseError, RemoteProtocolError


class RespondTo(NamedTuple):
    """What a response needs of the request that it answers (PS3.7 9.3, 10.3)."""

    command_field: int
    message_id: int
    sop_class_uid: str | None
    sop_instance_uid: str | None


class MessageError(DimseError):
    """A request that cannot be taken, but can be answered with a failure."""

    def __init__(
        self,
        status: int,
        text: str,
        respond_to: RespondTo,
        *,
        offending_element: tuple[int, ...] = (),
        has_data_set: bool = False,
    ) -> None:
        super().__init__(status, text)
        self.respond_to = respond_to
        self.offending_element = offending_element
        """Tags of the command elements that are missing or wrong."""
        self.has_data_set = has_data_set
        """A data set follows, to be received and thrown away before the response leaves."""


def abort(text: str) -> RemoteProtocolError:
    """The error for what can only be aborted: by the service user, that is source 0 (PS3.8 7.3)."""
    return RemoteProtocolError(text, source=0, reason=0)

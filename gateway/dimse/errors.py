"""Errors in received messages, and what a failure response to them needs (PS3.7 annex C)."""

from __future__ import annotations

from typing import NamedTuple

from gateway.errors import DimseError, RemoteProtocolError


class RespondTo(NamedTuple):
    """The parts of a request that a response to it repeats (PS3.7 9.3, 10.3)."""

    command_field: int
    message_id: int
    sop_class_uid: str | None
    sop_instance_uid: str | None


class MessageError(DimseError):
    """An invalid request that can be answered with a failure."""

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
        """Tags of the command elements that are missing or invalid."""
        self.has_data_set = has_data_set
        """A data set follows, which must be received and discarded before the response is sent."""


def abort(text: str) -> RemoteProtocolError:
    """Return the error for an abort by the service user: source 0 (PS3.8 7.3)."""
    return RemoteProtocolError(text, source=0, reason=0)

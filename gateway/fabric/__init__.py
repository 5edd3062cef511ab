"""The messages between acceptors and workers; PROTOCOL.md is the wire."""

from gateway.fabric.client import Client
from gateway.fabric.generation import next_generation
from gateway.fabric.invocations import Trouble, WorkerCall
from gateway.fabric.invoking import Invocation
from gateway.fabric.model import (
    Answer,
    Binding,
    Notification,
    Registration,
    Request,
    State,
    Why,
)
from gateway.fabric.server import Server
from gateway.fabric.stream import Stream

__all__ = [
    "Answer",
    "Binding",
    "Client",
    "Invocation",
    "Notification",
    "Registration",
    "Request",
    "Server",
    "State",
    "Stream",
    "Trouble",
    "Why",
    "WorkerCall",
    "next_generation",
]

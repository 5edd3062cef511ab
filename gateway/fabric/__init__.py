"""The messages between acceptors and workers; PROTOCOL.md is the wire."""

from gateway.fabric.model import (
    Answer,
    Binding,
    Notification,
    Registration,
    Request,
    State,
    Why,
)

__all__ = ["Answer", "Binding", "Notification", "Registration", "Request", "State", "Why"]

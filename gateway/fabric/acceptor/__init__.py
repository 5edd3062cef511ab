"""The acceptor's end of the fabric: it asks workers, and publishes to watchers."""

from gateway.fabric.acceptor.commands import AssociationCommand
from gateway.fabric.acceptor.fabric_server import Server
from gateway.fabric.acceptor.interventions import Intervention, Sink
from gateway.fabric.acceptor.stream import Stream

__all__ = ["AssociationCommand", "Intervention", "Server", "Sink", "Stream"]

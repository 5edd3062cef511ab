"""The acceptor's end of the fabric: it asks workers, and publishes to watchers."""

from gateway.fabric.acceptor.commands import AssociationCommand
from gateway.fabric.acceptor.fabric_server import Server
from gateway.fabric.acceptor.interventions import WINDOW, Intervention, Sink

__all__ = ["WINDOW", "AssociationCommand", "Intervention", "Server", "Sink"]

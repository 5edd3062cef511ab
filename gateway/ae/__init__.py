"""pynetdicom's API over the gateway's own parts: `AE`, `Association`, `AssociationServer`."""

from gateway.ae.association import Association
from gateway.ae.entity import AE
from gateway.ae.server import AssociationServer, ThreadedAssociationServer

__all__ = ["AE", "Association", "AssociationServer", "ThreadedAssociationServer"]

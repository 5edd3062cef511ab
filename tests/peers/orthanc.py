"""Orthanc as a peer by HTTP: its DICOMweb plugin, as a server and as a client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def settings(port: int, **servers: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with which it listens at a port, and knows other servers by name."""
    return {
        "HttpServerEnabled": True,
        "HttpPort": port,
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "Servers": servers},
        "HttpThreadsCount": 50,
    }

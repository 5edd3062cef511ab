"""A pynetdicom storage SCP as a process: `python -m tests.load.pynetdicom_scp FOLDER`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, evt

from tests.peers import wire
from tests.peers.scp import TRANSFER_SYNTAXES

MOST = 100
"""Associations at once; pynetdicom's own limit is 10."""


def main() -> None:
    folder = Path(sys.argv[1])

    def store(event) -> int:
        name = f"{event.request.AffectedSOPInstanceUID}.dcm"
        (folder / name).write_bytes(event.encoded_dataset())
        return 0x0000

    ae = AE(ae_title="STRANGER")
    ae.maximum_associations = MOST
    ae.add_supported_context(wire.VERIFICATION)
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax, TRANSFER_SYNTAXES)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    print("port", server.socket.getsockname()[1], flush=True)
    signal.sigwait({signal.SIGTERM})
    server.shutdown()


if __name__ == "__main__":
    main()

"""A private SOP class that both libraries register, in each pairing."""

from __future__ import annotations

import subprocess
import sys

from tests.handlers import returning
from tests.interop.both import LIBS, PAIRINGS, WAIT, finish, instance, pair_of, send

PRIVATE = "1.2.826.0.1.3680043.99.7"


def store_in_every_pairing() -> None:
    for lib in LIBS.values():
        lib.register_uid(PRIVATE, "PrivateStorage", lib.service_class.StorageServiceClass)
    for names in PAIRINGS:
        with pair_of(*names) as pair:
            kind = pair.server.sop_class.PrivateStorage
            server = pair.serve([kind], [("EVT_C_STORE", returning(0x0000))])
            assoc = pair.associate(server, [pair.client.sop_class.PrivateStorage])
            assert send(assoc, "c_store", instance(SOPClassUID=PRIVATE)).Status == 0x0000
            finish(assoc)
            print(*names)


def test_a_private_sop_class() -> None:
    """In a process of its own, because what is registered stays for the life of a process."""
    command = [sys.executable, "-m", "tests.interop.test_both_private"]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=WAIT * 4, text=True, check=True)
    assert [tuple(line.split()) for line in done.stdout.splitlines()] == list(PAIRINGS)


if __name__ == "__main__":
    store_in_every_pairing()

"""Reloads under load, with certificates that change in between."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import trustme

from gateway.supervisor import ask_running
from tests.conftest import running, short_folder
from tests.faults.row import BrokenPromise, Result
from tests.patience import WALL
from tests.peers import instances, procfs, wire
from tests.peers.raw import RawPeer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.process import Gateway

SENDERS = 3
PER_ASSOCIATION = 20
HOST = "127.0.0.1"


class Certificates:
    """A certificate that one authority issues again and again, and a context that trusts it."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._file = folder / "server.pem"
        self.table = f'[tls]\ncertificate = "{self._file}"\n'
        self.context = ssl.create_default_context()
        self._authority.configure_trust(self.context)
        self.issue()

    def issue(self) -> bytes:
        """Replace the file; return the new certificate, as DER."""
        issued = self._authority.issue_cert(HOST)
        new = self._file.with_suffix(".new")
        issued.private_key_and_cert_chain_pem.write_to_path(new)
        new.replace(self._file)
        return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())

    def shown_by(self, address: tuple[str, int]) -> bytes | None:
        """Return the certificate that a server shows, as DER."""
        with (
            socket.create_connection(address, WALL) as plain,
            self.context.wrap_socket(plain, server_hostname=HOST) as peer,
        ):
            return peer.getpeercert(binary_form=True)


class Senders:
    """Peers that store instances until they are told to end, and what went wrong."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext) -> None:
        self._address, self._tls = address, tls
        self._over = threading.Event()
        self.stored: list[str] = []
        self.wrong: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(SENDERS)]

    def __enter__(self) -> Senders:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(WALL)

    def _run(self) -> None:
        while not self._over.is_set() and not self.wrong:
            try:
                self._associate()
            except (AssertionError, OSError, ValueError) as error:
                self.wrong.append(f"{type(error).__name__}: {error}"[:200])

    def _associate(self) -> None:
        with RawPeer(self._address) as peer:
            peer.sock = self._tls.wrap_socket(peer.sock, server_hostname=HOST)
            peer.associate(wire.context(1, wire.CT, wire.EXPLICIT))
            for number in range(PER_ASSOCIATION):
                one = instances.make()
                if (status := peer.store(one, number + 1).status) != 0x0000:
                    self.wrong.append(f"C-STORE was answered with {status:04X}")
                self.stored.append(one.uid)
            peer.release()


def run(rounds: int) -> Result:
    """Reload so many times while instances are stored; raises BrokenPromise."""
    with short_folder() as folder:
        certificates = Certificates(folder)
        with running(_config(certificates, 0)) as gateway:
            with Senders(gateway.address, certificates.context) as senders:
                for number in range(1, rounds + 1):
                    _reload(gateway, certificates, number)
                    stored = len(senders.stored)
                    procfs.until(
                        lambda stored=stored: len(senders.stored) > stored or bool(senders.wrong),
                        what="an instance after the reload",
                    )
            if senders.wrong:
                raise BrokenPromise(senders.wrong[0])
            status = ask_running(gateway.data, "status")
            revisions = {one["revision"] for one in processes_of(status)}
            if revisions != {rounds + 1}:
                raise BrokenPromise(f"revisions {revisions} after {rounds} reloads")
            return Result(ok=True, runs=rounds, text=f"{len(senders.stored)} instances stored")


def _config(certificates: Certificates, number: int) -> str:
    """Return a configuration in which much differs from one number to the next."""
    tables = f'[log]\nlevel = "{("info", "warning")[number % 2]}"\n'
    tables += f"[association]\nmax_associations = {500 + number}\n"
    tables += f"[destinations]\nPACS = 'localhost:{1000 + number}'\n"
    tables += f"[workers.query]\nprocesses = {1 + number % 2}\n"
    rule = {"name": f"all {number}", "calling": ["*"]}
    rules = "\n".join(f"{name} = {json.dumps(value)}" for name, value in rule.items())
    return f"{certificates.table}{tables}[[policy.rules]]\n{rules}\n"


def _reload(gateway: Gateway, certificates: Certificates, number: int) -> None:
    wanted = certificates.issue()
    (gateway.folder / "gateway.toml").write_text(_config(certificates, number))
    told = ask_running(gateway.data, "reload", WALL)
    if told.get("revision") != number + 1:
        raise BrokenPromise(f"reload {number}: {told}")
    procfs.until(
        lambda: certificates.shown_by(gateway.address) == wanted, what="the new certificate"
    )


def processes_of(status: dict) -> list[dict]:
    return [*status["acceptors"], *(p for worker in status["workers"] for p in worker["processes"])]

"""A running gateway with TLS, and what a peer needs to trust it."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trustme

from tests.conftest import running, short_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.process import Gateway


@contextmanager
def running_with_tls(config: str) -> Iterator[tuple[Gateway, ssl.SSLContext]]:
    """Yield a gateway with a certificate for localhost, and a peer's context."""
    authority = trustme.CA()
    with short_folder() as folder:
        issued = authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        issued.private_key_pem.write_to_path(folder / "key.pem")
        files = f'certificate = "{folder}/cert.pem"\nkey = "{folder}/key.pem"\n'
        context = ssl.create_default_context()
        authority.configure_trust(context)
        with running(f"{config}[tls]\n{files}") as gateway:
            yield gateway, context

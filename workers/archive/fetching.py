"""Files of other gateways that share the index, fetched by C-GET (PS3.4 C.4.3).

A fetch names itself by a private element of the identifier. It is answered from the gateway's own
files only, whatever its index says, so that no gateway asks another one for what a third one has;
and by SOP Instance UID alone, whatever the study is. What arrives is compared with the row of the
index: it has the same transfer syntax, size and digest, or it is not sent.

Associations stay open for the next fetch. Files lie below `DATA/fetched`, a directory for each
fetch, until they have been sent.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydicom.dataset import Dataset

from gateway.datasets.coding import encoder
from gateway.requestor import Address, AssociationError, NotDicom, Proposal, Timeouts, identify
from gateway.requestor.received import Folder
from gateway.requestor.sync import Requestor
from gateway.sdk import GatewayError
from gateway.tls import client_context
from gateway.uid import KEYWORDS
from workers.archive.gateways import SILENT
from workers.archive.recovery import measure

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator, Sequence

    from gateway.requestor import Instance
    from gateway.requestor.received import Received
    from gateway.requestor.sync import BlockingAssociation
    from gateway.tls_settings import TlsSettings
    from workers.archive.index import Index, IndexEntry
    from workers.archive.index.records import SharingGateway

MODEL = KEYWORDS["StudyRootQueryRetrieveInformationModelGet"]
_BASIC = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
_GROUP = 0x0099
_GROUP_OF = 16
_BYTES = 64 << 20
_CREATOR = "DICOM-GATEWAY FETCH"
_DOWN = 5.0
"""Seconds for which a gateway that could not be reached is not tried again."""
_KEPT = 600.0
"""Seconds for which a file stays that may still be read."""
_TIMEOUT = 10.0
"""Seconds for the connection, and for each response."""
_UNREAD = 64
"""Files that a retrieval may have sent for and not read: more than it has credit for."""
_CONTEXTS = 100
"""Kinds of instances that an association has contexts for at most."""
_FRESH = 2.0
"""Seconds for which what the index says of the gateways is used again."""

Kind = tuple[str, str]
"""SOP class and transfer syntax."""


class NotFetched(GatewayError):  # noqa: N818 - what happened
    """Files could not be fetched; the text says why."""


def fetch_identifier(sop_instance_uids: Sequence[str]) -> Dataset:
    """Return the identifier that asks a gateway for its own files."""
    asked = Dataset()
    asked.QueryRetrieveLevel = "IMAGE"
    asked.SOPInstanceUID = list(sop_instance_uids)
    asked.private_block(_GROUP, _CREATOR, create=True).add_new(1, "CS", "OWN")
    return asked


def fetched_uids(identifier: Dataset) -> list[str]:
    """Return the SOP Instance UIDs of a fetch; none if the identifier is that of another C-GET."""
    try:
        identifier.private_block(_GROUP, _CREATOR)
    except KeyError:
        return []
    uids = identifier.get("SOPInstanceUID") or []
    return [uids] if isinstance(uids, str) else [str(uid) for uid in uids]


def _groups(entries: Iterable[IndexEntry]) -> Iterator[list[IndexEntry]]:
    """Yield instances in groups that are fetched together: of a few, or few bytes."""
    group: list[IndexEntry] = []
    for entry in entries:
        group.append(entry)
        if len(group) == _GROUP_OF or sum(one.size for one in group) >= _BYTES:
            yield group
            group = []
    if group:
        yield group


@dataclass(slots=True)
class Elsewhere:
    """What a retrieval had to get from other gateways."""

    lent: deque[Path] = field(default_factory=deque)
    """The fetched files that may still be read."""
    why: dict[str, None] = field(default_factory=dict)
    """Why instances cannot be had, each reason once."""


class _FetchAssociation(NamedTuple):
    """An open association with a gateway."""

    association: BlockingAssociation
    kinds: frozenset[Kind]
    folder: Folder
    received: list[Received]


class Fetcher:
    """Fetches files from the gateways that hold them; safe for several threads."""

    def __init__(
        self, index: Index, data_dir: Path, title: str, tls: TlsSettings, folder: str = "fetched"
    ) -> None:
        """`folder`: that of the files in the data directory, for this fetcher alone."""
        self._index = index
        self._root = data_dir / folder
        self._title = title
        self._tls = tls
        self._requestor = Requestor()
        self._lock = threading.Lock()
        self._idle: dict[str, list[_FetchAssociation]] = {}
        self._down: dict[str, tuple[float, str]] = {}
        self._old: deque[tuple[float, Path]] = deque()
        self._gateways: dict[str, SharingGateway] = {}
        self._looked = float("-inf")
        shutil.rmtree(self._root, ignore_errors=True)

    def close(self) -> None:
        """End the associations, and delete the files."""
        self._requestor.close()
        shutil.rmtree(self._root, ignore_errors=True)

    def fetch(self, entries: Iterable[IndexEntry], lent: deque[Path]) -> dict[str, Instance | str]:
        """Return instances by SOP Instance UID, or why they cannot be had.

        `lent` has the files that one retrieval has got so far; those that it has sent are deleted.
        """
        while len(lent) > _UNREAD:
            lent.popleft().unlink(missing_ok=True)
        by_holder: dict[str, list[IndexEntry]] = {}
        for entry in entries:
            by_holder.setdefault(entry.holder, []).append(entry)
        found: dict[str, Instance | str] = {}
        for holder, wanted in by_holder.items():
            for group in _groups(wanted):
                text = f"{holder} did not send the file as the index describes it"
                instances: dict[str, Instance] = {}
                try:
                    instances = self._fetch(holder, group)
                except GatewayError as error:
                    text = f"the file cannot be fetched: {error}"
                uids = [entry.sop_instance_uid for entry in group]
                found |= {uid: instances.get(uid, text) for uid in uids}
                lent.extend(Path(one.path) for one in instances.values() if one.path is not None)
        return found

    def why_down(self, holder: str) -> str:
        """Return why nothing can be fetched from a gateway at present; empty: it is not known.

        Raises IndexFailure.
        """
        try:
            self._gateway(holder)
        except NotFetched as why:
            return f"the file cannot be fetched: {why}"
        return ""

    def sweep(self) -> None:
        """Delete the files of long ago."""
        now = time.monotonic()
        with self._lock:
            while self._old and self._old[0][0] < now:
                shutil.rmtree(self._old.popleft()[1], ignore_errors=True)

    def _fetch(self, holder: str, entries: Sequence[IndexEntry]) -> dict[str, Instance]:
        """Return instances of one gateway, by SOP Instance UID.

        Those that it does not send are not among them. Raises NotFetched if it does not answer.
        """
        gateway = self._gateway(holder)
        folder = self._root / secrets.token_hex(8)
        folder.mkdir(parents=True, mode=0o700)
        try:
            received = self._ask(gateway, folder, entries)
        except (AssociationError, OSError) as error:
            self._note_down(holder, f"{holder} at {_where(gateway)}: {error}")
            raise NotFetched(self._down[holder][1]) from error
        finally:
            self._old.append((time.monotonic() + _KEPT, folder))
        by_uid = {entry.sop_instance_uid: entry for entry in entries}
        found: dict[str, Instance] = {}
        for one in received:
            instance = _same(one.path, by_uid.get(one.sop_instance_uid))
            if instance is not None:
                found[one.sop_instance_uid] = instance
        return found

    def _gateway(self, holder: str) -> SharingGateway:
        now = time.monotonic()
        until, text = self._down.get(holder, (0.0, ""))
        if now < until:
            raise NotFetched(text)
        if now - self._looked > _FRESH:
            self._gateways, self._looked = self._index.gateways(), now
        gateway = self._gateways.get(holder)
        if gateway is None or not gateway.port:
            raise NotFetched(f"no gateway {holder} has said in the index where it is")
        if gateway.age > SILENT:
            raise NotFetched(f"the gateway {holder} is down, for {gateway.age:.0f} s so far")
        return gateway

    def _note_down(self, holder: str, text: str) -> None:
        self._down[holder] = time.monotonic() + _DOWN, text
        with self._lock:
            for link in self._idle.pop(holder, []):
                with suppress(AssociationError):
                    link.association.abort()

    def _ask(
        self, gateway: SharingGateway, folder: Path, entries: Sequence[IndexEntry]
    ) -> list[Received]:
        kinds = frozenset((entry.sop_class_uid, entry.transfer_syntax_uid) for entry in entries)
        asked = encoder(fetch_identifier([entry.sop_instance_uid for entry in entries]))
        link = self._take(gateway.holder, kinds)
        if link is not None:
            try:
                return self._get(gateway.holder, link, folder, asked)
            except AssociationError:  # it may have been idle for too long
                pass
        return self._get(gateway.holder, self._connect(gateway, kinds), folder, asked)

    def _get(
        self, holder: str, link: _FetchAssociation, folder: Path, asked: object
    ) -> list[Received]:
        link.folder.folder = folder
        link.received.clear()
        link.association.c_get(MODEL, asked).final()  # type: ignore[arg-type]
        received = list(link.received)
        with self._lock:
            self._idle.setdefault(holder, []).append(link)
        return received

    def _take(self, holder: str, kinds: frozenset[Kind]) -> _FetchAssociation | None:
        """Return an idle association that has contexts for these kinds."""
        with self._lock:
            idle = self._idle.get(holder, [])
            for link in idle:
                if link.association.ended is None and kinds <= link.kinds:
                    idle.remove(link)
                    return link
            return None

    def _connect(self, gateway: SharingGateway, kinds: frozenset[Kind]) -> _FetchAssociation:
        """Return a new association, which replaces an idle one with fewer contexts."""
        with self._lock:
            idle = self._idle.get(gateway.holder, [])
            replaced = idle.pop() if idle else None
        if replaced is not None:
            with suppress(AssociationError):
                replaced.association.release()
            if len(both := kinds | replaced.kinds) <= _CONTEXTS:
                kinds = both
        received: list[Received] = []
        folder = Folder(self._root, received.append)
        proposal = Proposal(
            ((MODEL, _BASIC), *((sop_class, (syntax,)) for sop_class, syntax in sorted(kinds))),
            calling_ae_title=self._title[:16],
            called_ae_title=gateway.ae_title,
            roles={sop_class: (False, True) for sop_class, _ in kinds},
        )
        address = Address(gateway.address, gateway.port, self._client_context(gateway))
        association = self._requestor.associate(
            address, proposal, timeouts=Timeouts.all(_TIMEOUT), handler=folder
        )
        return _FetchAssociation(association, kinds, folder, received)

    def _client_context(self, gateway: SharingGateway) -> ssl.SSLContext | None:
        if not gateway.tls:
            return None
        tls = self._tls
        return client_context(tls.certificate, tls.key, tls.ca, tls.profile)


def _where(gateway: SharingGateway) -> str:
    return str(Address(gateway.address, gateway.port))


def _same(path: Path | None, entry: IndexEntry | None) -> Instance | None:
    """Return the instance in a file, if its data set is the one that the index describes."""
    if path is None or entry is None:
        return None
    try:
        found = identify(path)
        size, digest = measure(path, found.offset, entry.digest)
    except (NotDicom, GatewayError, OSError):
        return None
    is_same = (size, digest) == (entry.size, entry.digest)
    return found if is_same and found.transfer_syntax_uid == entry.transfer_syntax_uid else None

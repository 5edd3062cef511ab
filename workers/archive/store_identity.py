"""Whether a gateway uses the object store that the objects of its index are in.

A row says the path of an object, which is the same in each store. So the store has an identity, as
an object beside those of the gateways, and the index notes it: a gateway that names another bucket,
prefix or server is refused, before it stores where the others do not look, or takes what is
elsewhere for lost. A copy of a store has the same identity.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from gateway.sdk import ConfigError
from workers.archive.gateways import SILENT
from workers.archive.index.store_note import note_first_store, note_store, noted_store
from workers.archive.layout import OBJECTS

if TYPE_CHECKING:
    from gateway.settings import ArchiveSettings
    from workers.archive.index import Index
    from workers.archive.index.store_note import NotedStore
    from workers.archive.objects.object_store import ObjectStore

PATH = f"{OBJECTS}/store.id"
"""No gateway's part of a key has a dot."""
_LONGEST = 64


def enter_store(index: Index, store: ObjectStore | None, settings: ArchiveSettings) -> None:
    """Note which store the objects of the index are in, if this gateway is to use one.

    Raises ConfigError if they are in another one, or StoreFailure.
    """
    noted = index.ask(partial(noted_store, holder=settings.holder_of_files))
    if why := difference(noted, store):
        raise ConfigError(why)
    if store is None:
        return
    identity = identity_of(store)
    if not identity:
        lost = noted.identity if noted is not None and noted.sample else ""
        store.create(PATH, (lost or secrets.token_hex(16)).encode())
        identity = identity_of(store)
    index.change(partial(note_first_store, identity=identity, place=_place(store)))
    noted = index.ask(partial(noted_store, holder=settings.holder_of_files))
    assert noted is not None
    if noted.identity != identity:
        if noted.sample or _others(index, settings):
            raise ConfigError(_sentence(noted, store))
        index.change(partial(note_store, identity=identity, place=_place(store)))


def check_store(index: Index, store: ObjectStore | None, settings: ArchiveSettings) -> None:
    """Raise ConfigError if the objects of the index are in another store, or StoreFailure."""
    noted = index.ask(partial(noted_store, holder=settings.holder_of_files))
    if why := difference(noted, store):
        raise ConfigError(why)


def difference(noted: NotedStore | None, store: ObjectStore | None) -> str:
    """Return why a gateway cannot use the objects of the index; empty if it can, or has none.

    One without a store fetches those of others from there. Raises StoreFailure.
    """
    if noted is None or not noted.sample:
        return ""
    if store is None:
        return _sentence(noted, None) if noted.own else ""
    identity = identity_of(store)
    if identity == noted.identity or (not identity and _has(store, noted.sample)):
        return ""
    return _sentence(noted, store)


def identity_of(store: ObjectStore) -> str:
    """Return the identity of a store; empty if it has none."""
    with suppress(FileNotFoundError):
        return store.begin(PATH, _LONGEST).data.decode("ascii", "replace").strip()
    return ""


def _has(store: ObjectStore, path: str) -> bool:
    with suppress(FileNotFoundError):
        return bool(store.head(path).size)
    return False


def _others(index: Index, settings: ArchiveSettings) -> bool:
    """Return whether another gateway uses the index now."""
    return any(
        one.holder != settings.holder_of_files and one.age < SILENT
        for one in index.gateways().values()
    )


def _place(store: ObjectStore) -> str:
    place = store.place
    return f"{place.url} at {place.endpoint}" if place.endpoint else place.url


def _sentence(noted: NotedStore, store: ObjectStore | None) -> str:
    here = f"this gateway is to use {_place(store)}" if store else "this gateway is to use none"
    return (
        f"archive.store: the objects of the index are in {noted.place}, and {here}: set the store "
        "of the index, or first move all instances with `dicom-gateway archive move --to directory "
        "--all` at each gateway that shares it, or copy everything there, with the object store.id"
    )

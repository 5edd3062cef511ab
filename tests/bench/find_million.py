"""C-FIND of one study among a million instances, and among a thousand: `find-million`.

The index is filled by statements of its own kind, not by C-STORE; then a gateway answers. The
medians should be of one size: an index that is searched through would show here.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import statistics
import time
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

from gateway.datasets.coding import encoder
from gateway.requestor import Address as Where
from gateway.requestor import Proposal, Timeouts, associate
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN, KEYWORDS
from tests.conftest import short_folder
from tests.peers.process import Gateway
from workers.archive.index import IndexEntry, SqliteIndex

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.raw import Address

MODEL = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
STUDIES, SERIES, IMAGES = 1, 4, 25
"""Of each patient; series of each study; images of each series."""
_BATCH = 5000


def fill(path: Path, count: int) -> None:
    """An index of `count` instances."""
    path.parent.mkdir(parents=True, exist_ok=True)
    index = SqliteIndex(path, durable=False)
    for start in range(0, count, _BATCH):
        numbers = range(start, min(count, start + _BATCH))
        index.add_all([_instance(number) for number in numbers])
    index.close()


def _instance(number: int) -> tuple[IndexEntry, dict[str, str]]:
    series = number // IMAGES
    study = series // SERIES
    patient = study // STUDIES
    uid = f"1.2.3.{number}"
    texts = {
        "PatientID": f"P{patient}",
        "PatientName": f"Name{patient % 997}^First{patient}",
        "StudyInstanceUID": f"1.2.1.{study}",
        "StudyDate": f"20{study % 20:02}{study % 12 + 1:02}{study % 28 + 1:02}",
        "StudyTime": "101010",
        "AccessionNumber": f"A{study}",
        "SeriesInstanceUID": f"1.2.2.{series}",
        "SeriesNumber": str(series % SERIES),
        "Modality": ("CT", "MR", "CR", "US")[series % 4],
        "SOPInstanceUID": uid,
        "InstanceNumber": str(number % IMAGES),
    }
    digest = hashlib.sha256(uid.encode()).digest()
    path = f"20260101/{number // 1000:09}-0/{uid}.dcm"
    entry = IndexEntry(
        uid, "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", path, 300, 1000, digest, ""
    )
    return entry, texts


QUERIES = {
    "by study UID": {"StudyInstanceUID": "1.2.1.{}"},
    "by accession number": {"AccessionNumber": "A{}"},
    "by patient ID": {"PatientID": "P{}"},
    "by name with a wildcard": {"PatientName": "*First{}"},
}


def measure(address: Address, studies: int, keys: dict[str, str], rounds: int) -> float:
    """The median of the seconds of one C-FIND, on one association."""
    return asyncio.run(_measure(address, studies, keys, rounds))


async def _measure(address: Address, studies: int, keys: dict[str, str], rounds: int) -> float:
    proposal = Proposal(((MODEL, (EXPLICIT_VR_LITTLE_ENDIAN,)),))
    association = await associate(Where(*address), proposal, timeouts=Timeouts.all(60))
    times = []
    for number in range(rounds):
        query = Dataset()
        query.QueryRetrieveLevel = "STUDY"
        query.StudyInstanceUID = ""
        query.NumberOfStudyRelatedInstances = None
        for keyword, text in keys.items():
            setattr(query, keyword, text.format(number * 7919 % studies))
        start = time.perf_counter()
        operation = await association.c_find(MODEL, encoder(query))
        statuses = [answered.status async for answered in operation]
        times.append(time.perf_counter() - start)
        if statuses != [0xFF00, 0x0000]:
            raise RuntimeError(f"not one match: {statuses}")
    await association.release()
    return statistics.median(times)


def serve(count: int, rounds: int) -> dict[str, float]:
    with short_folder() as folder:
        fill(folder / "data/archive/index.sqlite", count)
        gateway = Gateway(folder)
        try:
            studies = count // IMAGES // SERIES
            return {
                name: measure(gateway.address, studies, keys, rounds)
                for name, keys in QUERIES.items()
            }
        finally:
            gateway.stop()
            gateway.close()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench find-million", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args(arguments)
    small, large = (serve(n, options.rounds) for n in (options.small, options.count))
    for name, seconds in large.items():
        ratio = seconds / small[name]
        print(f"{name}: {small[name] * 1e3:.2f} ms, {seconds * 1e3:.2f} ms, ratio {ratio:.1f}")


if __name__ == "__main__":
    main()

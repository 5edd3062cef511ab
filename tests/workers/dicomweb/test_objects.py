"""The same answers with instances in S3 as with files, and what routes forward is the same, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.archive.objects.conftest import place as place
from tests.archive.objects.conftest import s3_endpoint as s3_endpoint
from tests.conftest import short_folder
from tests.peers import procfs
from tests.peers.scp import pynetdicom_storescp
from tests.workers.dicomweb.conftest import CONFIG, Service, body, serving
from tests.workers.dicomweb.test_service import ANY_SYNTAX, NAMED, data_set_of, resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workers.archive.objects.object_place import ObjectPlace

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of its odd files

FILES = [
    NAMED[name]
    for name in (
        "CT_small.dcm",
        "MR_small_bigendian.dcm",
        "image_dfl.dcm",
        "SC_rgb_rle_2frame.dcm",
        "GDCMJ2K_TextGBR.dcm",
        "examples_ybr_color.dcm",
        "rtdose_rle.dcm",
        "rtplan.dcm",
    )
]
CT_SMALL = NAMED["CT_small.dcm"]
DICOM, ALL = 'multipart/related; type="application/dicom"', "*/*"
ASKED = {
    "": (ANY_SYNTAX, DICOM, "application/dicom; transfer-syntax=*"),
    "/metadata": ("application/dicom+json", 'multipart/related; type="application/dicom+xml"'),
    "/frames/1": (ALL, "application/octet-stream", "image/jp2; transfer-syntax=*"),
    "/frames/2": (ALL,),
    "/frames/10": (ALL,),
    "/rendered": ("image/png",),
    "/bulkdata/7FE00010": (ALL,),
    "/bulkdata/00080018": (ALL,),
}


@pytest.fixture
def in_store(s3_endpoint: str, place: ObjectPlace, sink) -> Iterator[Service]:
    """A service whose instances are objects, with a route to a PACS."""
    with short_folder() as folder:
        key = folder / "key"
        key.write_text("AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=secret\n")
        more = (
            f'[archive]\nstore = "{place.url}"\nstore_endpoint = "{s3_endpoint}"\n'
            f'store_credentials = "{key}"\n'
        )
        config = CONFIG.replace("[archive]\n", more)
        config += f'[destinations]\nPACS = "{sink[0][0]}:{sink[0][1]}"\n'
        config += '[[routes]]\ndestinations = ["PACS"]\n'
        with serving(folder, config) as found:
            yield found


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[tuple[tuple[str, int], Path]]:
    with pynetdicom_storescp(tmp_path) as address:
        yield address, tmp_path


def told(service: Service, path: str, accept: str, **headers: str) -> tuple[int, str, bytes]:
    """Status, kind and body of an answer, without what differs between two services."""
    answered = service.get(path, accept, **headers)
    kind, _, boundary = answered.headers["Content-Type"].partition("; boundary=")
    content = answered.content.replace(service.base.encode(), b"BASE")
    if boundary:
        content = content.replace(boundary.encode(), b"EDGE")
    elif kind.startswith("application/dicom;"):  # a file has meta information of its own
        content = data_set_of(content)
    return answered.status_code, kind, content


def test_as_with_files(service: Service, in_store: Service, sink) -> None:
    for each in (service, in_store):
        answered = each.post(body(*(path.read_bytes() for path in FILES)))
        assert answered.status_code == 200, answered.text
    assert not list(in_store.gateway.archive.rglob("*.dcm"))
    paths = {path: resource(path) for path in FILES}
    assert len(set(paths.values())) == len(FILES)
    statuses = set()
    for file, path in paths.items():
        for more, accepted in ASKED.items():
            for accept in accepted:
                wanted = told(service, path + more, accept)
                assert told(in_store, path + more, accept) == wanted, (file.name, more, accept)
                statuses.add((more, wanted[0]))
        uid = path.rpartition("/")[2]
        for search in (f"/instances?SOPInstanceUID={uid}", f"{path.rpartition('/')[0]}"):
            assert told(in_store, search, "") == told(service, search, "")
        part = {"range": "bytes=100-299"}
        wanted = told(service, f"{path}/bulkdata/7FE00010", ALL, **part)
        assert told(in_store, f"{path}/bulkdata/7FE00010", ALL, **part) == wanted
    assert statuses >= {(more, 200) for more in ASKED if more != "/bulkdata/00080018"}
    study = paths[NAMED["rtdose_rle.dcm"]].partition("/series")[0]
    for more in ("", "/metadata", "/thumbnail"):
        assert told(in_store, study + more, ALL) == told(service, study + more, ALL)

    _, folder = sink
    copy = folder / f"{paths[CT_SMALL].rpartition('/')[2]}.dcm"
    procfs.until(copy.exists, what="what is forwarded")
    assert data_set_of(copy.read_bytes()) == data_set_of(CT_SMALL.read_bytes())

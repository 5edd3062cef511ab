"""The service as a client sees it: what was stored is found and fetched, byte for byte."""

from __future__ import annotations

import os
import re
import socket
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut

from gateway.part10 import file_meta
from tests.conftest import running
from tests.peers import procfs
from tests.peers.instances import big_ct
from tests.peers.process import run_cli
from tests.workers.dicomweb.conftest import TOKEN, Service, body
from tests.workers.holdings import instance

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of its odd files

FILES = sorted((Path(pydicom.__file__).parent / "data/test_files").glob("*.dcm"))
NAMED = {path.name: path for path in FILES}
CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
ANY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.fixture(scope="module")
def client(service: Service) -> DICOMwebClient:
    return DICOMwebClient(service.base, session=service.session)


def resource(file: Path) -> str:
    found = dcmread(file, stop_before_pixels=True, force=True)
    series = f"/studies/{found.StudyInstanceUID}/series/{found.SeriesInstanceUID}"
    return f"{series}/instances/{found.SOPInstanceUID}"


@pytest.fixture(scope="module")
def stored(service: Service) -> dict[str, Path]:
    """The files that the archive takes, by the path of their resource."""
    found = {}
    for path in FILES:
        answered = service.post(body(path.read_bytes()))
        assert answered.status_code in (200, 202, 409), answered.text
        if answered.status_code != 409 and "StudyInstanceUID" in dcmread(path, force=True):
            found.setdefault(resource(path), path)  # some have the same UIDs
        elif answered.status_code == 409:
            assert "00081197" in answered.text
    assert len(found) > 35
    return found


def parts_of(answered: requests.Response) -> list[bytes]:
    assert answered.status_code == 200, answered.url + answered.text
    boundary = answered.headers["Content-Type"].partition("boundary=")[2].encode()
    pieces = answered.content.split(b"\r\n--" + boundary)[1:-1]
    return [piece.partition(b"\r\n\r\n")[2] for piece in pieces]


def data_set_of(file: bytes) -> bytes:
    stream = BytesIO(file)
    read = dcmread(stream, stop_before_pixels=False, specific_tags=[], force=True)
    start = 132 + 12 + read.file_meta.FileMetaInformationGroupLength
    return file[start:]


def test_every_file_comes_back_as_it_was_sent(service, stored):
    for path, file in stored.items():
        (part,) = parts_of(service.get(path, ANY_SYNTAX))
        if "FileMetaInformationGroupLength" in dcmread(file, force=True).file_meta:
            assert data_set_of(part) == data_set_of(file.read_bytes()), file.name


def test_every_file_is_found_and_its_metadata_parse(client, stored):
    for path, file in stored.items():
        study, _, rest = path.removeprefix("/studies/").partition("/series/")
        series, _, uid = rest.partition("/instances/")
        (found,) = client.search_for_instances(
            study, series, search_filters={"SOPInstanceUID": uid}
        )
        assert found["00080018"]["Value"] == [uid]
        told = Dataset.from_json(client.retrieve_instance_metadata(study, series, uid))
        assert told.SOPInstanceUID == uid
        assert str(told.get("PatientID")) == str(dcmread(file, force=True).get("PatientID"))


def test_frames_are_those_that_pydicom_decodes(service, stored):
    same = 0
    for path, file in stored.items():
        read = dcmread(file, force=True)
        if "PixelData" not in read:
            assert service.get(f"{path}/frames/1").status_code == 404
            continue
        try:
            wanted = read.pixel_array
        except Exception:
            assert service.get(f"{path}/frames/1").status_code == 406
            continue
        count = int(read.get("NumberOfFrames") or 1)
        numbers = ",".join(str(n + 1) for n in range(count))
        got = b"".join(parts_of(service.get(f"{path}/frames/{numbers}")))
        assert got == wanted.astype(wanted.dtype.newbyteorder("<")).tobytes(), file.name
        same += 1
    assert same > 25


def test_compressed_frames_as_they_are_stored(service, stored):
    path = resource(NAMED["GDCMJ2K_TextGBR.dcm"])
    answered = service.get(f"{path}/frames/1", "image/jp2; transfer-syntax=*")
    assert answered.status_code == 200, answered.text
    assert answered.headers["Content-Type"].startswith("image/jp2; transfer-syntax=1.2.840")
    raw = dcmread(NAMED["GDCMJ2K_TextGBR.dcm"]).PixelData
    assert answered.content in raw


def test_another_transfer_syntax(service, stored):
    path = resource(NAMED["MR_small_implicit.dcm"])
    (part,) = parts_of(
        service.get(
            path, f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'
        )
    )
    assert dcmread(BytesIO(part)).file_meta.TransferSyntaxUID == EXPLICIT
    compressed = resource(NAMED["GDCMJ2K_TextGBR.dcm"])
    (part,) = parts_of(service.get(compressed))  # the default is Explicit VR Little Endian
    read = dcmread(BytesIO(part))
    assert read.file_meta.TransferSyntaxUID == EXPLICIT
    assert np.array_equal(read.pixel_array, dcmread(NAMED["GDCMJ2K_TextGBR.dcm"]).pixel_array)
    refused = service.get(
        path, 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90'
    )
    assert refused.status_code == 406
    assert "is not converted" in refused.json()["error"]


def test_a_single_instance_with_ranges(service, stored):
    path = resource(NAMED["CT_small.dcm"])
    whole = service.get(path, "application/dicom")
    assert whole.headers["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    assert data_set_of(whole.content) == data_set_of(NAMED["CT_small.dcm"].read_bytes())
    part = service.get(path, "application/dicom", Range="bytes=128-131")
    assert (part.status_code, part.content) == (206, b"DICM")


def test_bulk_data_with_ranges(service, stored):
    path = resource(NAMED["CT_small.dcm"])
    (told,) = service.get(f"{path}/metadata").json()
    address = told["7FE00010"]["BulkDataURI"].removeprefix(service.base)
    assert address == f"{path}/bulkdata/7FE00010"
    pixels = dcmread(NAMED["CT_small.dcm"]).PixelData
    assert service.get(address, "application/octet-stream").content == pixels
    part = service.get(address, "application/octet-stream", Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, pixels[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(pixels)}"
    assert service.get(f"{path}/bulkdata/00990099").status_code == 404
    assert "not bulk data" in service.get(f"{path}/bulkdata/00100020").json()["error"]


def test_bulk_data_of_a_big_endian_instance_is_in_little_endian(service, stored):
    file = NAMED["MR_small_bigendian.dcm"]
    sent = dcmread(file)
    sent.SOPInstanceUID = sent.file_meta.MediaStorageSOPInstanceUID = "1.2.1"
    out = BytesIO()
    sent.save_as(out)
    assert service.post(body(out.getvalue())).status_code == 200
    path = f"/studies/{sent.StudyInstanceUID}/series/{sent.SeriesInstanceUID}/instances/1.2.1"
    got = service.get(f"{path}/bulkdata/7FE00010", "application/octet-stream").content
    assert got == sent.pixel_array.astype("<i2").tobytes()


def test_a_long_instance_passes_both_ways_in_flat_memory(service):
    size = 19_000_000
    uid, pieces, _ = big_ct(size)
    sent = file_meta(CT, uid, EXPLICIT) + b"".join(pieces)
    child = procfs.find_child(service.gateway.pid, "dicomweb-0")
    assert child is not None
    procfs.reset_peak(child)
    before = procfs.memory(child, "VmHWM")
    stem = uid.rpartition(".")[0]
    assert service.post(body(sent)).status_code == 200
    path = f"/studies/{stem}.1/series/{stem}.2/instances/{uid}"
    (part,) = parts_of(service.get(path, ANY_SYNTAX))
    assert data_set_of(part) == data_set_of(sent)
    value = service.get(f"{path}/bulkdata/7FE00010", "application/octet-stream").content
    assert value == sent[-size:]
    assert procfs.memory(child, "VmHWM") - before < size


def test_metadata_of_a_series_in_xml(service, stored):
    path = resource(NAMED["CT_small.dcm"]).rpartition("/instances/")[0]
    (part,) = parts_of(
        service.get(f"{path}/metadata", 'multipart/related; type="application/dicom+xml"')
    )
    assert b'keyword="PatientName"' in part


def test_rendered_with_a_window(service, stored):
    path = resource(NAMED["CT_small.dcm"])
    answered = service.get(f"{path}/rendered?window=1000,200,linear", "image/png")
    seen = np.asarray(Image.open(BytesIO(answered.content)))
    read = dcmread(NAMED["CT_small.dcm"])
    values = apply_modality_lut(read.pixel_array, read).astype(float)
    wanted = (np.clip((values - 999.5) / 199 + 0.5, 0, 1) * 255).round()
    assert np.array_equal(seen, wanted.astype(np.uint8))
    small = service.get(f"{path}/rendered?viewport=32,32")
    assert small.headers["Content-Type"] == "image/jpeg"
    assert max(Image.open(BytesIO(small.content)).size) == 32


@pytest.mark.parametrize(
    ("viewport", "region"),
    [
        ("128,128", (slice(None), slice(None))),
        ("40,40,10,20,40,40", (slice(20, 60), slice(10, 50))),
        ("128,128,,,-128,", (slice(None), slice(None, None, -1))),
        ("128,128,,,,-128", (slice(None, None, -1), slice(None))),
        ("300,28,0,100", (slice(100, None), slice(None))),
    ],
)
def test_a_viewport_shows_a_region(service, stored, viewport, region):
    path = f"{resource(NAMED['CT_small.dcm'])}/rendered"
    whole_one = np.asarray(Image.open(BytesIO(service.get(path, "image/png").content)))
    shown = service.get(f"{path}?viewport={viewport}", "image/png").content
    assert np.array_equal(np.asarray(Image.open(BytesIO(shown))), whole_one[region])


def test_a_viewport_enlarges_and_a_picture_may_be_a_gif(service, stored):
    path = f"{resource(NAMED['CT_small.dcm'])}/rendered?viewport=300,256"
    picture = Image.open(BytesIO(service.get(path, "image/gif").content))
    assert (picture.format, picture.size) == ("GIF", (256, 256))
    bounded = service.get(path.replace("300,256", "16384,16384"), "image/png").content
    assert Image.open(BytesIO(bounded)).size == (4096, 4096)


@pytest.mark.parametrize("path", ["", "/", "/studies", "/studies/1/series/2/metadata"])
def test_the_service_describes_itself(service, path):
    answered = service.session.options(service.base + path, timeout=60)
    assert answered.headers["Content-Type"] == "application/vnd.sun.wadl+xml"
    root = ET.fromstring(answered.text)
    spaces = {"w": "http://wadl.dev.java.net/2009/02"}
    (top,) = root.findall("w:resources", spaces)
    assert top.get("base") == service.base
    methods = root.findall(".//w:method", spaces)
    assert {"SearchForStudies", "RetrieveSeriesRendered", "StoreStudyInstances"} <= {
        one.get("id") for one in methods
    }
    assert len({one.get("id") for one in methods}) == len(methods)
    frames = "w:resource[@path='studies']/w:resource[@path='{study}']/w:resource[@path='series']"
    assert top.find(frames, spaces) is not None


def test_thumbnails_at_every_level(service, stored):
    path = resource(NAMED["CT_small.dcm"])
    for place in (path, path.rpartition("/instances/")[0], path.rpartition("/series/")[0]):
        answered = service.get(f"{place}/thumbnail")
        assert answered.status_code == 200
        assert max(Image.open(BytesIO(answered.content)).size) <= 128


def test_a_study_and_a_series_are_rendered_one_picture_an_instance(service, stored):
    path = resource(NAMED["CT_small.dcm"])
    (alone,) = parts_of(service.get(f"{path}/rendered", 'multipart/related; type="image/png"'))
    assert Image.open(BytesIO(alone)).format == "PNG"
    places = path.rpartition("/instances/")[0], path.rpartition("/series/")[0]
    for place, level in zip(places, ("series", "study"), strict=True):
        same = {p for p in stored if p.startswith(f"{place}/")}
        pictures = parts_of(service.get(f"{place}/rendered", 'multipart/related; type="image/png"'))
        assert len(pictures) == len(same), level
        assert alone in pictures
    answered = service.get(f"{places[1]}/rendered")
    assert answered.headers["Content-Type"].startswith('multipart/related; type="image/jpeg"')


def test_frames_are_rendered_each_as_it_is_alone(service, stored):
    path = f"{resource(NAMED['examples_ybr_color.dcm'])}/frames"
    alone = [service.get(f"{path}/{number}/rendered", "image/png").content for number in (1, 2)]
    assert alone[0] != alone[1]
    both = parts_of(service.get(f"{path}/1,2/rendered", "image/png"))
    assert both == alone
    assert parts_of(service.get(f"{path}/2,2,2/rendered", "image/png")) == alone[1:]
    assert service.get(f"{path}/1,99999/rendered").status_code == 404


def test_without_images_nothing_is_rendered(service):
    sent = instance(SOPInstanceUID="1.4.1", StudyInstanceUID="1.4")
    assert service.post(body(whole(sent))).status_code == 200
    for resource_of_it in ("rendered", "thumbnail"):
        answered = service.get(f"/studies/1.4/{resource_of_it}")
        assert answered.status_code == 404
        assert "no image" in answered.json()["error"]


def test_what_is_no_resource_is_told_in_words(service):
    assert "no resource '/dicom-web/nothing'" in service.get("/nothing").json()["error"]
    answered = service.session.delete(f"{service.base}/studies", timeout=60)
    assert answered.status_code == 405
    assert "DELETE is not what" in answered.json()["error"]
    assert answered.headers["Allow"]


def test_a_page_of_thumbnails(service, stored):
    study = resource(NAMED["CT_small.dcm"]).split("/")[2]
    answered = service.get(f"/view/{study}")
    assert answered.headers["Content-Type"].startswith("text/html")
    assert "img-src 'self'" in answered.headers["Content-Security-Policy"]
    sources = re.findall(r'src="([^"]+)"', answered.text)
    assert sources
    for one in sources:
        assert service.get(one.removeprefix(service.base)).headers["Content-Type"] == "image/jpeg"
    assert service.get("/viewer.css").status_code == 200
    assert service.get("/view/9.9").status_code == 404


def test_text_of_a_peer_is_no_markup_on_it(service):
    texts = {"PatientName": "<script>x</script>", "SeriesDescription": '"><img src=x>'}
    sent = instance(SOPInstanceUID="1.3.1", StudyInstanceUID="1.3", **texts)
    assert service.post(body(whole(sent))).status_code == 200
    page = service.get("/view/1.3").text
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<img src=x" not in page


def test_the_cookie_of_the_page_is_enough(service):
    token = (service.gateway.data / "run" / "web-token").read_text()
    cookies = {"dicom_gateway_token": token}
    answered = requests.get(f"{service.base}/studies", cookies=cookies, timeout=60)
    assert answered.status_code in (200, 204)


@pytest.mark.parametrize(
    "query",
    [
        "window=1",
        "window=1,0",
        "window=a,b",
        "window=nan,1",
        "window=1,inf",
        "window=1,2,cubic",
        "window=1,2,linear,4",
        "viewport=0,5",
        "viewport=99999,9",
        "viewport=9,9,1,1,0,5",
        "viewport=9,9,a",
        "viewport=9,9,nan",
        "viewport=9,9,500,500,2,2",
        "viewport=9,9,1,2,3,4,5",
        "quality=0",
        "quality=x",
    ],
)
def test_what_cannot_be_rendered_so_is_400(service, stored, query):
    assert service.get(f"{resource(NAMED['CT_small.dcm'])}/rendered?{query}").status_code == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/9.9", 404),
        ("/studies/9.9/metadata", 404),
        ("/studies/9.9/series/9.9/instances/9.9/frames/1", 404),
        ("/studies/9.9/thumbnail", 404),
        ("/studies?limit=x", 400),
        ("/studies?PatientID=nobody", 204),
        ("/nothing", 404),
    ],
)
def test_what_is_not_there(service, path, status):
    assert service.get(path).status_code == status


@pytest.mark.parametrize("numbers", ["0", "x", "1,,2", "-1", "2", "9" * 5000])
def test_frames_that_are_not_there(service, stored, numbers):
    answered = service.get(f"{resource(NAMED['CT_small.dcm'])}/frames/{numbers}")
    assert answered.status_code in (400, 404)


def test_a_response_has_a_warning_for_what_it_does_not_do(service, stored):
    answered = service.get("/studies?fuzzymatching=true")
    assert answered.headers["Warning"].startswith('299 dicom-gateway "The fuzzymatching parameter')


# what arrives


def whole(sent) -> bytes:
    """A file of an instance of the tests."""
    return file_meta(CT, sent.uid, EXPLICIT) + sent.data_set


def test_several_parts_and_one_that_is_nothing(service):
    good = [whole(instance(SOPInstanceUID=f"1.9.{n}", StudyInstanceUID="1.8")) for n in range(30)]
    answered = service.post(body(*good, b"nothing"))
    assert answered.status_code == 202
    told = answered.json()
    assert len(told["00081199"]["Value"]) == 30
    assert told["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]
    assert told["00081190"]["Value"] == [f"{service.base}/studies/1.8"]
    again = service.post(body(good[0]))
    assert again.status_code == 200
    listed = run_cli("archive", "path", "1.9.0", "--data", service.gateway.data)
    assert len(listed.out.lines) == 1


def test_other_content_under_a_uid_is_told_as_a_warning(service):
    for patient, status in (("A", None), ("B", 0xB000)):
        sent = instance(SOPInstanceUID="1.7.1", PatientID=patient)
        answered = service.post(body(whole(sent)))
        (item,) = answered.json()["00081199"]["Value"]
        assert item.get("00081196", {}).get("Value", [None]) == [status]
        assert answered.status_code == (202 if status else 200)


def test_an_instance_of_another_study_than_the_path_is_refused(service):
    sent = whole(instance(SOPInstanceUID="1.6.1", StudyInstanceUID="1.6"))
    answered = service.post(body(sent), path="/studies/1.5")
    assert answered.status_code == 409
    (item,) = answered.json()["00081198"]["Value"]
    assert item["00081197"]["Value"] == [0xA900]


@pytest.mark.parametrize(
    ("content_type", "data", "status"),
    [
        ("application/json", b"{}", 415),
        ("application/zip", b"PK", 415),
        ('multipart/related; type="application/dicom+json"; boundary=edge', body(b"[]"), 415),
        ('multipart/related; type="application/dicom"', body(b"x"), 400),
        ('multipart/related; type="application/dicom"; boundary=other', body(b"x"), 400),
        ("", body(b"x")[:-10], 400),
        ("", b"", 400),
        ("", b"--edge--\r\n", 400),
        ("", body(b"x", kind="image/jpeg"), 415),
    ],
)
def test_a_body_that_is_wrong(service, content_type, data, status):
    answered = service.post(data, content_type)
    assert answered.status_code == status, answered.text
    assert answered.json()["error"]
    assert os.listdir(service.gateway.data / "dicomweb") == []


def test_a_part_of_another_media_type_is_told_and_the_others_kept(service):
    sent = whole(instance(SOPInstanceUID="1.3.1"))
    picture = b"--edge\r\nContent-Type: image/jpeg\r\n\r\nabc\r\n"
    answered = service.post(picture + body(sent))
    assert answered.status_code == 202
    told = answered.json()
    assert told["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]
    assert len(told["00081199"]["Value"]) == 1


def test_a_coded_body_is_415(service):
    kind = 'multipart/related; type="application/dicom"; boundary=edge'
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    answered = service.session.post(f"{service.base}/studies", data=b"x", headers=headers)
    assert (answered.status_code, answered.headers["Accept-Encoding"]) == (415, "identity")


def test_a_part_that_is_too_long_is_refused_and_the_others_kept(service):
    sent = whole(instance(SOPInstanceUID="1.4.1"))
    answered = service.post(body(bytes(21_000_000), sent))
    assert answered.status_code == 202
    told = answered.json()
    assert told["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xA700]}}]
    assert len(told["00081199"]["Value"]) == 1


def test_an_upload_that_is_cut_leaves_nothing(service):
    host, port = service.base.removeprefix("http://").partition("/")[0].split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = (
            f"POST /dicom-web/studies HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Length: 100000\r\n"
            'Content-Type: multipart/related; type="application/dicom"; boundary=edge\r\n\r\n'
        )
        connection.sendall(head.encode() + body(b"x" * 5000)[:3000])
    service.gateway.program.err.wait_for("an upload was cut")
    assert os.listdir(service.gateway.data / "dicomweb") == []
    assert service.get("/studies").status_code in (200, 204)


# who is let in

PATHS = [
    "/studies",
    "/studies/1/metadata",
    "/studies/1/thumbnail",
    "/studies/1/series/2/instances/3",
    "/studies/1/series/2/instances/3/frames/1",
    "/studies/1/series/2/instances/3/bulkdata/7FE00010",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Bearer {TOKEN}", "Host": "evil.example"}, 403),
        ({"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example"}, 403),
    ],
)
def test_without_the_token_or_from_elsewhere_nothing_is_told(service, path, headers, status):
    answered = requests.get(service.base + path, headers=headers, timeout=60)
    assert answered.status_code == status
    assert answered.json()["error"]


def test_beyond_loopback_it_needs_tls():
    config = '[dicomweb]\nhost = "0.0.0.0"\n[workers.dicomweb]\n'
    with pytest.raises(AssertionError, match=r"dicomweb\.host = '0\.0\.0\.0': beyond loopback"):
        running(config).__enter__()

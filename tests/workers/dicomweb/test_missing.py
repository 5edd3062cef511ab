"""Instances whose files cannot be had: a response says so, and never looks complete."""

from __future__ import annotations

import re
from contextlib import ExitStack
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread

from tests.archive.conftest import postgres_dsn, postgres_schema
from tests.conftest import short_folder
from tests.peers import procfs
from tests.workers.dicomweb.conftest import CONFIG, Service, body, serving
from tests.workers.dicomweb.test_service import NAMED
from workers.dicomweb.guard import warning

if TYPE_CHECKING:
    from pathlib import Path

    import requests

__all__ = ["postgres_dsn", "postgres_schema"]
PARTS = 'multipart/related; type="application/dicom"'
RESOURCES = [
    ("", PARTS),
    ("/metadata", "application/dicom+json"),
    ("/metadata", 'multipart/related; type="application/dicom+xml"'),
    ("/rendered", 'multipart/related; type="image/png"'),
]


def put(service: Service, study: str, *numbers: int) -> None:
    """Store images in a study of one series."""
    made = []
    for number in numbers:
        one = dcmread(NAMED["CT_small.dcm"])
        one.StudyInstanceUID, one.SeriesInstanceUID = study, f"{study}.1"
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"{study}.1.{number}"
        one.save_as(file := BytesIO())
        made.append(file.getvalue())
    assert service.post(body(*made)).status_code == 200


def file_of(service: Service, uid: str) -> Path:
    files = service.gateway.archive.rglob("*.dcm")
    return next(one for one in files if dcmread(one, stop_before_pixels=True).SOPInstanceUID == uid)


def number_in(answered: requests.Response) -> int:
    """How many instances a response has."""
    kind = answered.headers["Content-Type"]
    if kind == "application/dicom+json":
        return len(answered.json())
    boundary = re.findall("boundary=(.*)", kind)[0].encode()
    assert answered.content.endswith(b"--" + boundary + b"--\r\n")
    return answered.content.count(b"--" + boundary + b"\r\n")


@pytest.mark.parametrize(("more", "accept"), RESOURCES)
def test_a_response_without_some_instances_is_marked(
    service: Service, more: str, accept: str
) -> None:
    study = f"1.77.{RESOURCES.index((more, accept))}"
    put(service, study, 1, 2, 3)
    answered = service.get(f"/studies/{study}{more}", accept)
    assert (answered.status_code, number_in(answered)) == (200, 3)
    assert "Warning" not in answered.headers
    for number in (1, 3):  # one is the first
        file_of(service, f"{study}.1.{number}").unlink()
    answered = service.get(f"/studies/{study}{more}", accept)
    assert (answered.status_code, number_in(answered)) == (206, 1)
    assert re.match(
        r'299 dicom-gateway "2 of 3 instances are missing: the file \S+ is gone; and for 1 other',
        answered.headers["Warning"],
    )
    file_of(service, f"{study}.1.2").unlink()
    answered = service.get(f"/studies/{study}{more}", accept)
    assert (answered.status_code, "is gone" in answered.text) == (410, True)


def test_what_a_gateway_has_that_is_down_is_not_there_for_now(postgres_schema: str) -> None:
    with ExitStack() as stack:
        config = CONFIG.replace("[archive]\n", f'[archive]\ndsn = "{postgres_schema}"\n')
        services = {
            title: stack.enter_context(
                serving(
                    stack.enter_context(short_folder()),
                    f'[gateway]\nae_title = "{title}"\n{config}',
                )
            )
            for title in ("ONE", "TWO")
        }
        one, two = services.values()
        put(two, "1.78", 1, 2)
        put(one, "1.79", 1)
        put(two, "1.79", 2, 3)

        def told(study: str, more: str, accept: str) -> requests.Response:
            return one.get(f"/studies/{study}{more}", accept)

        for more, accept in RESOURCES:
            answered = procfs.until(
                lambda more=more, accept=accept: (
                    found if (found := told("1.79", more, accept)).status_code == 200 else None
                ),
                what="what both have",
            )
            assert number_in(answered) == 3
        two.gateway.stop()
        for more, accept in (*RESOURCES, ("/thumbnail", "image/png")):
            answered = told("1.78", more, accept)
            assert (answered.status_code, answered.headers["Retry-After"]) == (503, "5")
            assert "the file cannot be fetched: " in answered.json()["error"]
            assert "TWO" in answered.json()["error"]
        for more, accept in RESOURCES:
            answered = told("1.79", more, accept)
            assert (answered.status_code, number_in(answered)) == (206, 1)
            assert "2 of 3 instances are missing: the file" in answered.headers["Warning"]
        assert told("1.79", "/thumbnail", "image/png").status_code == 200


def test_a_warning_is_one_line_of_a_header():
    found = warning(['the store said:\r\n  "no"\\', "später"])
    text = '299 dicom-gateway "the store said: \'no\'/", 299 dicom-gateway "sp?ter"'
    assert found == {"Warning": text}
    assert warning([]) == {}

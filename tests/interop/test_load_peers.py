"""`dicom-gateway load` against four makes of server: what it counted is what they keep."""

from __future__ import annotations

import pytest

from tests.load.servers import ASSOCIATIONS, SERVERS, put_under_load

SECONDS = 1


@pytest.mark.parametrize(
    "name",
    [
        "gateway",
        pytest.param("storescp", marks=pytest.mark.peer("dcmtk")),
        "pynetdicom",
        pytest.param("orthanc", marks=pytest.mark.peer("Orthanc")),
    ],
)
def test_what_was_acknowledged_is_there(folder, name: str) -> None:
    with SERVERS[name](folder) as server:
        done, report = put_under_load(server, folder, SECONDS)
        assert done.popen.returncode == 0, done.report()
        totals = report["totals"]
        assert totals["errors"] == 0
        assert totals["associations"] == ASSOCIATIONS
        assert totals["acknowledged"] == totals["answered"] > ASSOCIATIONS
        assert totals["acknowledged"] == server.count()
        assert (folder / "report.html").read_text().startswith("<!doctype html>")

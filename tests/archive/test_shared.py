"""Two gateways with one PostgreSQL index."""

from __future__ import annotations

from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.presentation import build_role

from gateway.uid import KEYWORDS
from tests.interop.test_archive import answered
from tests.peers import instances, wire
from tests.peers.process import run_cli
from tests.peers.sender import store_all

FIND = KEYWORDS["StudyRootQueryRetrieveInformationModelFind"]
GET = KEYWORDS["StudyRootQueryRetrieveInformationModelGet"]


def query(one: instances.Instance) -> Dataset:
    data = dcmread(BytesIO(one.part10()))
    asked = Dataset()
    asked.QueryRetrieveLevel = "IMAGE"
    asked.StudyInstanceUID = data.StudyInstanceUID
    asked.SeriesInstanceUID = data.SeriesInstanceUID
    asked.SOPInstanceUID = one.uid
    asked.RetrieveAETitle = ""
    return asked


def found(gateway, one: instances.Instance) -> str:
    """Return which gateway has it, by this gateway's answer."""
    ae = AE()
    ae.add_requested_context(FIND)
    assoc = ae.associate(*gateway.address)
    (_, match), (final, _) = answered(assoc, query(one))
    assoc.release()
    assert final.Status == 0x0000
    assert match.SOPInstanceUID == one.uid
    return match.RetrieveAETitle


def get(gateway, one: instances.Instance) -> tuple[int, list, Dataset | None]:
    got = []
    ae = AE()
    ae.add_requested_context(GET)
    ae.add_requested_context(wire.CT, wire.EXPLICIT)
    handlers = [(evt.EVT_C_STORE, lambda event: got.append(event.dataset) or 0x0000)]
    role = [build_role(wire.CT, scp_role=True)]
    assoc = ae.associate(*gateway.address, ext_neg=role, evt_handlers=handlers)
    *_, (final, identifier) = assoc.send_c_get(query(one), GET)
    assoc.release()
    return final.Status, got, identifier


def test_they_answer_each_others_queries(postgres_schema, start_gateway):
    config = f'[archive]\ndsn = "{postgres_schema}"\n'
    gateways = {title: start_gateway(config, "--ae-title", title) for title in ("ONE", "TWO")}
    stored = {title: instances.make() for title in gateways}
    for title, one in stored.items():
        assert store_all(gateways[title].address, [one]).failed == {}
    for holder, one in stored.items():
        for gateway in gateways.values():
            assert found(gateway, one) == holder
    status, got, _ = get(gateways["ONE"], stored["ONE"])
    assert (status, len(got)) == (0x0000, 1)
    status, got, identifier = get(gateways["ONE"], stored["TWO"])
    assert (status, got) == (0xA702, [])
    assert identifier.FailedSOPInstanceUIDList == stored["TWO"].uid
    gateways["ONE"].program.err.wait_for("the file is at TWO, and archive.shared is false")
    # the same instance again at the other one is a success, and still one copy
    assert store_all(gateways["TWO"].address, [stored["ONE"]]).failed == {}
    assert found(gateways["TWO"], stored["ONE"]) == "ONE"
    for gateway in gateways.values():
        options = "--data", gateway.data, "--config", gateway.folder / "gateway.toml"
        program = run_cli("archive", "verify", *options)
        assert program.popen.returncode in (0, 1), program.report()


def test_a_database_that_is_not_there(start_gateway, tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text(f'[archive]\ndsn = "host={tmp_path} dbname=none"\n')
    program = run_cli("archive", "ls", "--config", config)
    assert program.popen.returncode == 1
    assert "archive.dsn: the database cannot be used" in program.err.text

"""The stock worklist worker with DCMTK: its worklist files, its findscu."""

from __future__ import annotations

import pytest
from pydicom import dcmread

from tests.conftest import short_folder
from tests.peers import dcmtk
from tests.peers.process import Gateway

pytestmark = pytest.mark.peer("dcmtk")

ENTRY = """
(0010,0010) PN  [{name}]
(0010,0020) LO  [{patient}]
(0008,0050) SH  [A1]
(0040,0100) SQ
(fffe,e000) na
(0008,0060) CS  [{modality}]
(0040,0001) AE  [{modality}1]
(0040,0002) DA  [20261128]
(fffe,e00d) na
(fffe,e0dd) na
"""


def test_findscu_finds_what_dump2dcm_wrote(tmp_path) -> None:
    place = tmp_path / "worklist"
    place.mkdir()
    for number, (name, modality) in enumerate((("DOE^JANE", "CT"), ("ROE^RICHARD", "MR"))):
        dump = tmp_path / f"{number}.dump"
        dump.write_text(ENTRY.format(name=name, patient=f"P{number}", modality=modality))
        made = dcmtk.run("dump2dcm", dump, place / f"{number}.wl")
        assert made.returncode == 0, made.stdout
    config = f'[workers.worklist]\noptions = {{folder = "{place}"}}\n'
    with short_folder() as folder:
        gateway = Gateway(folder, config=config)
        try:
            keys = [
                *("-k", "(0010,0010)=", "-k", "(0010,0020)="),
                *("-k", "(0040,0100)[0].Modality=MR"),
                *("-k", "(0040,0100)[0].ScheduledProcedureStepStartDate=20261101-"),
                *("-k", "(0040,0100)[0].ScheduledStationAETitle="),
            ]
            host, port = gateway.address
            done = dcmtk.run("findscu", "-W", "-X", "-od", tmp_path, *keys, host, port)
            assert done.returncode == 0, done.stdout
            (file,) = tmp_path.glob("rsp*.dcm")
            found = dcmread(file, force=True)
            assert (found.PatientName, found.PatientID) == ("ROE^RICHARD", "P1")
            (step,) = found.ScheduledProcedureStepSequence
            assert (step.Modality, step.ScheduledStationAETitle) == ("MR", "MR1")
            assert gateway.stop() == 0, gateway.program.report()
        finally:
            gateway.close()

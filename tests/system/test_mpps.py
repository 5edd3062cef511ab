"""A modality's performed procedure step, with pynetdicom on the other side."""

from __future__ import annotations

import json
import queue

import pynetdicom
from pydicom import dcmread
from pynetdicom import evt

from tests.conftest import short_folder
from tests.data_sets import data_set
from tests.patience import WALL
from tests.peers import instances
from tests.peers.process import Gateway, run_cli
from tests.peers.sender import store_all
from tests.workers.mpps.steps import creation, end, series

MPPS, RETRIEVE, NOTIFICATION = (f"1.2.840.10008.3.1.2.3.{number}" for number in (3, 4, 5))
UID = "1.2.3.99"


def test_a_step_from_creation_to_the_list_of_what_is_stored():
    stored, told = instances.many(2), queue.Queue()

    def noticed(event):
        told.put((event.event_type, event.request.AffectedSOPInstanceUID))
        return 0x0000, None

    with short_folder() as folder:
        gateway = Gateway(folder, config="[workers.mpps]\n")
        try:
            store_all(gateway.address, stored[:1])
            (file,) = gateway.archive.rglob("*.dcm")
            study = dcmread(file).StudyInstanceUID
            ae = pynetdicom.AE("CT1")
            for sop_class in (MPPS, RETRIEVE, NOTIFICATION):
                ae.add_requested_context(sop_class)
            handlers = [(evt.EVT_N_EVENT_REPORT, noticed)]
            assoc = ae.associate(*gateway.address, evt_handlers=handlers)
            assert len(assoc.accepted_contexts) == 3
            assert assoc.send_n_create(creation(study), MPPS, UID)[0].Status == 0x0000
            assert told.get(timeout=WALL) == (1, UID)
            made = series("1.2.3.1", *(one.uid for one in stored))
            assert assoc.send_n_set(end("COMPLETED", made), MPPS, UID)[0].Status == 0x0000
            assert told.get(timeout=WALL) == (2, UID)
            again = assoc.send_n_set(data_set(PerformedProcedureStepDescription="x"), MPPS, UID)[0]
            assert (again.Status, again.ErrorID) == (0x0110, 0xA710)
            status, found = assoc.send_n_get([0x00400252, 0x00400340], RETRIEVE, UID)
            assert status.Status == 0x0000
            assert found.PerformedProcedureStepStatus == "COMPLETED"
            assert len(found.PerformedSeriesSequence[0].ReferencedImageSequence) == 2
            assoc.release()
            listed = run_cli("mpps", "ls", "--json", "--data", gateway.data)
            (line,) = map(json.loads, listed.out.lines)
            assert (line["state"], line["stored"], line["instances"]) == ("COMPLETED", 1, 2)
            assert line["study_instance_uids"] == [study]
            shown = run_cli("mpps", "show", UID, "--data", gateway.data)
            assert "DOE^JANE" in shown.out.text
            missing = run_cli("mpps", "show", "1.2.3.4", "--data", gateway.data)
            assert missing.popen.returncode == 1
            assert "there is no performed procedure step 1.2.3.4" in missing.err.text
            assert gateway.stop() == 0, gateway.program.report()
        finally:
            gateway.close()

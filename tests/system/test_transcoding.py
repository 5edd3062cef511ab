"""A gateway that transcodes for peers which take uncompressed instances only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from tests.peers import procfs, wire
from tests.peers.scp import pynetdicom_storescp
from tests.system.test_forward import QUICK, arrived, command, running
from tests.transcoding.conftest import described

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.process import Gateway

RLE = "1.2.840.10008.1.2.5"
FRAMES = np.arange(2 * 32 * 32, dtype=np.uint16).reshape(2, 32, 32)


def stored(uid: str, *, damaged: bool) -> Dataset:
    data_set = described(FRAMES, SOPClassUID=wire.CT, SOPInstanceUID=uid)
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = "1.2.9", "1.2.9.1"
    data_set.PixelData = FRAMES.tobytes()
    data_set.ensure_file_meta()
    data_set.file_meta.TransferSyntaxUID = wire.EXPLICIT
    data_set.compress(RLE, generate_instance_uid=False)
    if damaged:
        data_set.PixelData = encapsulate([b"no frame"] * len(FRAMES))
    return data_set


def send(gateway: Gateway, *data_sets: Dataset) -> None:
    ae = AE("SENDER")
    ae.add_requested_context(wire.CT, RLE)
    association = ae.associate(*gateway.address)
    assert association.is_established
    assert [association.send_c_store(one).Status for one in data_sets] == [0] * len(data_sets)
    association.release()


def retrieved(gateway: Gateway, model: Any, **how: Any) -> tuple[Dataset, list[Dataset]]:
    """The final response of a retrieval of the study, and what came by C-GET."""
    came: list[Dataset] = []

    def store(event: Any) -> int:
        came.append(event.dataset)
        return 0x0000

    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", "1.2.9"
    ae = AE("ASKING")
    ae.add_requested_context(model)
    ae.add_requested_context(wire.CT, [wire.EXPLICIT])
    roles = [build_role(wire.CT, scp_role=True)]
    handlers = [(evt.EVT_C_STORE, store)]
    association = ae.associate(*gateway.address, ext_neg=roles, evt_handlers=handlers)
    assert association.is_established
    if "to" in how:
        responses = list(association.send_c_move(asked, how["to"], model))
    else:
        responses = list(association.send_c_get(asked, model))
    association.release()
    return responses[-1][0], came


@pytest.mark.filterwarnings("ignore")
def test_forward_c_get_and_c_move(tmp_path: Path) -> None:
    with pynetdicom_storescp(tmp_path) as (host, port):
        config = (
            f"{QUICK}[archive]\ntranscode = true\n[destinations]\n"
            f'THERE = {{host = "{host}", port = {port}, transcode = true}}\n'
            '[[routes]]\ndestinations = ["THERE"]\n'
        )
        with running(config) as gateway:
            send(gateway, stored("1.2.9.2", damaged=False), stored("1.2.9.3", damaged=True))
            (file,) = arrived(tmp_path, 1)
            assert file.name == "1.2.9.2.dcm"
            assert FRAMES.tobytes() in file.read_bytes()
            procfs.until(
                lambda: "is not decoded" in command(gateway, "outbox", "ls", "--rows", "--json"),
                what="a reason for the damaged one",
            )
            file.unlink()

            final, came = retrieved(gateway, StudyRootQueryRetrieveInformationModelGet)
            assert (final.Status, final.NumberOfCompletedSuboperations) == (0xB000, 1)
            assert final.NumberOfFailedSuboperations == 1
            assert final.ErrorComment.startswith("frame 1 is not decoded")
            assert [one.SOPInstanceUID for one in came] == ["1.2.9.2"]
            assert came[0].PixelData == FRAMES.tobytes()

            move = StudyRootQueryRetrieveInformationModelMove
            final, _ = retrieved(gateway, move, to="THERE")
            assert (final.Status, final.NumberOfCompletedSuboperations) == (0xB000, 1)
            assert final.NumberOfFailedSuboperations == 1
            assert final.ErrorComment.startswith("frame 1 is not decoded")
            (file,) = arrived(tmp_path, 1)
            assert FRAMES.tobytes() in file.read_bytes()
            assert "Traceback" not in gateway.program.report()

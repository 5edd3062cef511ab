"""A study that is stored is told complete to who watches, by the gateway that has it."""

from __future__ import annotations

import json

from tests.conftest import short_folder
from tests.peers import instances
from tests.peers.process import COMMAND, Gateway, Program
from tests.peers.sender import store_all

ON = "[workers.complete.options]\nquiet = 0.1\n"


def test_who_watches_is_told_of_a_complete_study():
    with short_folder() as folder:
        gateway = Gateway(folder, config=ON)
        watcher = None
        try:
            command = (COMMAND, "events", "--json", "--data", gateway.data, "study_complete")
            watcher = Program(*command)
            watcher.err.wait_for("watching")
            store_all(gateway.address, instances.many(2))
            told = json.loads(watcher.out.wait_for('"event": "EVT_STUDY_COMPLETE"').string)
            assert "quiet" in json.dumps(told)
            gateway.program.err.wait_for("complete: quiet")
            watcher.terminate()
            assert watcher.wait() == 0
            assert gateway.stop() == 0, gateway.program.report()
        finally:
            if watcher is not None:
                watcher.kill_all()
            gateway.close()

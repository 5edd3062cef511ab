"""Back-up and restore as `deploy/OPERATING.md` says."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.archive import postgres
from tests.conftest import short_folder
from tests.deploy import queries
from tests.documents import samples
from tests.patience import WALL
from tests.peers.process import COMMAND, Gateway, run_cli
from tests.workers.holdings import instance
from tests.workers.test_storage import Running, offer
from workers.archive.index.postgres import PostgresIndex

if TYPE_CHECKING:
    from pathlib import Path

OPERATING = queries.DEPLOY / "OPERATING.md"


def shell(text: str, folder: Path, **variables: object) -> None:
    """Run the commands of a block in a folder; each must succeed."""
    path = f"{os.path.dirname(COMMAND)}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, **{k: str(v) for k, v in variables.items()}}
    done = subprocess.run(
        ["sh", "-e", "-c", text],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=WALL,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_restored_into_an_empty_host_it_verifies_clean(tmp_path: Path) -> None:
    backup, restore = (block.code for block in samples(OPERATING, "sh"))
    with Running(tmp_path / "gateway-data") as running:
        offers = [offer(None) for _ in range(5)]
        assert {running.ask(one) for one in offers} == {0x0000}
        aside = instance(SOPInstanceUID=offers[0].uid, PatientID="B")
        running.answer(offer(None, aside.data_set, offers[0].uid))
        shell(backup, tmp_path, BACKUP=tmp_path)
    shell(restore, tmp_path, BACKUP=tmp_path)
    listed = run_cli("archive", "ls", "--data", tmp_path / "restored")
    assert "5 instances" in listed.out.lines[-1]
    conflicts = run_cli("archive", "conflicts", "ls", "--data", tmp_path / "restored")
    assert conflicts.out.lines[-1] == "1 set aside"


def test_with_postgresql_what_came_after_the_dump_is_indexed(postgres_schema: str) -> None:
    server, _, schema = postgres_schema.rpartition(" options=-csearch_path=")
    backup, _ = (block.code for block in samples(OPERATING, "sh"))
    settings = {"dsn": postgres_schema, "holder": "HERE"}
    with short_folder() as folder:
        data, copy = folder / "gateway-data", folder / "restored"
        data.mkdir()
        with Running(data, **settings) as running:
            assert running.ask(offer(None)) == 0x0000
            dump = postgres.dump(server, schema)
            assert running.ask(offer(None)) == 0x0000
            shell(backup, folder, BACKUP=folder)
            identity = (data / "identity").read_bytes()
        shutil.rmtree(data)
        postgres.restore(server, schema, dump)
        with PostgresIndex(postgres_schema) as index:
            assert len(list(index.everything())) == 1
        copy.mkdir()
        (copy / "identity").write_bytes(identity)
        shell(f"tar --extract --file archive.tar --directory {copy}", folder)
        config = f'[archive]\ndsn = "{postgres_schema}"\nholder = "HERE"\n'
        copy.rename(folder / "data")
        gateway = Gateway(folder, config=config)
        try:
            config_file = folder / "gateway.toml"
            checked = run_cli("archive", "verify", "--config", config_file, "--data", gateway.data)
            assert checked.popen.returncode == 0, checked.report()
            assert checked.out.lines[-1].startswith("2 checked")
            assert gateway.stop() == 0, gateway.program.report()
        finally:
            gateway.close()

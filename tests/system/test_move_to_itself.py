"""A C-MOVE whose destination is the gateway itself ends, and duplicates nothing."""

from __future__ import annotations

from tests.accountant import Accountant
from tests.conftest import running
from tests.peers import instances, sender, wire
from tests.peers.process import run_cli
from tests.peers.scp import free_port


def test_a_move_to_itself() -> None:
    port, books = free_port(), Accountant()
    # The first one is explicit, and so are most: none of the others may be converted to that.
    syntaxes = [wire.EXPLICIT] * 20 + [wire.IMPLICIT, wire.BIG_ENDIAN] * 5
    mine = [instances.make(syntax) for syntax in syntaxes]
    config = f'[destinations.ME]\nhost = "127.0.0.1"\nport = {port}\nae_title = "GATEWAY"\n'
    with running(config, ("--port", str(port))) as gateway:
        assert sender.store_all(gateway.address, mine, listener=books).failed == {}
        study = f"StudyInstanceUID={mine[0].uid.rpartition('.')[0]}.1"
        done = run_cli("move", *gateway.address, "--dest", "ME", "-k", study)
        assert done.popen.returncode == 0, done.report()
        assert "30 moved; success" in done.out.text
        assert books.duplicates(gateway.archive) == {}
        assert not list((gateway.archive / "conflicts").rglob("*.dcm"))
        books.check(gateway.archive, spool=gateway.spool)

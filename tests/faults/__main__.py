"""Fault injection that takes longer than a test may: `python -m tests.faults COMMAND`.

The exit status is 0 if every promise held.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    power = commands.add_parser("power", help="cut the power at each step of a commit (root, ext4)")
    power.add_argument("--instances", type=int, default=3, help="stored in each run of the steps")
    power.add_argument("--every", type=int, default=1, help="cut only at every so-manieth call")
    power.add_argument("--cuts", type=int, default=10, help="cuts of a whole gateway under load")
    power.add_argument("--seed", type=int, default=0)
    kill = commands.add_parser("kill", help="kill -9 any process at a random moment under load")
    kill.add_argument("--rounds", type=int, default=20)
    kill.add_argument("--seed", type=int, default=0)
    crash = commands.add_parser("crash", help="kill or refuse at each system call of a store")
    crash.add_argument("--syscalls", default="", help="only these, separated by commas")
    crash.add_argument("--limit", type=int, default=0, help="faults at each system call; 0: all")
    crash.add_argument("--victims", default="acceptor-0,storage-0")
    crash.add_argument("--kinds", default="inline,spooled,bucket,checkpoint")
    crash.add_argument("--errors", default="EIO,ENOSPC")
    start = commands.add_parser("start", help="kill at each call with which a start clears up")
    start.add_argument("--limit", type=int, default=0, help="cuts at each system call; 0: all")
    soak = commands.add_parser("soak", help="big objects at once, a huge one, 20,000 associations")
    soak.add_argument("--parts", default="cycles,at_once,huge")
    soak.add_argument("--objects", type=int, default=100, help="big ones at the same moment")
    soak.add_argument("--size", type=int, default=100, help="MB of each")
    soak.add_argument("--shrink", type=int, default=1, help="divides the huge one, of 4.1 GiB")
    soak.add_argument("--cycles", type=int, default=20_000, help="of associate and abort")
    options = parser.parse_args()
    chosen = import_module(f"tests.faults.{options.command}")
    status: int = chosen.run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())

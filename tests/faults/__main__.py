"""Faults made on purpose, for longer than a test may take: `python -m tests.faults power|kill`.

The exit status is 0 if every promise held.
"""

from __future__ import annotations

import argparse
import sys


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
    options = parser.parse_args()
    if options.command == "power":
        from tests.faults import power as chosen
    else:
        from tests.faults import kill as chosen
    return chosen.run(options)


if __name__ == "__main__":
    sys.exit(main())

"""Fuzz what reads a peer's bytes: `python -m tests.fuzz [NAME...] [--seconds N]`; needs atheris.

Every harness runs in a process of its own, for so many seconds. An input that fails is printed and
written to the corpus, where the tests try it from then on. The exit status is 1 if there was one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.harnesses import HARNESSES

CORPUS = Path(__file__).parent / "corpus"
PROJECT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(HARNESSES))
    parser.add_argument("--seconds", type=int, default=60, help="for each (default: 60)")
    options = parser.parse_args()
    if unknown := set(options.names) - HARNESSES.keys():
        parser.error(f"no harness {', '.join(sorted(unknown))}; there are {', '.join(HARNESSES)}")
    failed = [n for n in options.names or HARNESSES if not _fuzz(n, options.seconds)]
    return 1 if failed else 0


def _fuzz(name: str, seconds: int) -> bool:
    found = CORPUS / name
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(HARNESSES[name].seeds()):
            (Path(folder) / f"seed-{number}").write_bytes(seed)
        command = [sys.executable, "-m", "tests.fuzz.process", name, folder, str(found)]
        command += [f"-max_total_time={seconds}", f"-artifact_prefix={found}/", "-timeout=20"]
        run = subprocess.run(command, cwd=PROJECT, stderr=subprocess.PIPE, check=False)
    text = run.stderr.decode(errors="replace")
    runs = [line for line in text.splitlines() if line.startswith("Done ")]
    print(f"{name}: {runs[-1] if runs else 'FAILED'}", flush=True)
    if run.returncode:
        print(text[-4000:], flush=True)
    return run.returncode == 0


if __name__ == "__main__":
    sys.exit(main())

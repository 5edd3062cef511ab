"""One fuzzing process: `python -m tests.fuzz.process NAME CORPUS... [LIBFUZZER OPTION...]`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["gateway", "workers"]):
    from tests.fuzz.harnesses import HARNESSES


def main() -> None:
    run = HARNESSES[sys.argv[1]].run

    def test_one_input(data: bytes) -> None:
        if data:
            run(data)

    atheris.Setup([sys.argv[0], *sys.argv[2:]], test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

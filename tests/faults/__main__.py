"""Fault injection that takes longer than a test may: `python -m tests.faults [NAME...]`.

Runs the named rows of the matrix, or all, and prints for each the promise, the fault, how often it
was tried, and the result. The exit status is 0 if every promise held.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from dataclasses import fields
from importlib import import_module
from pkgutil import iter_modules

from tests.faults import rows
from tests.faults.row import BrokenPromise, Options, Result, Row


def matrix() -> list[Row]:
    """Return all rows, module by module."""
    modules = [
        import_module(f"{rows.__name__}.{found.name}") for found in iter_modules(rows.__path__)
    ]
    return [row for module in modules for row in module.ROWS]


def chosen(names: list[str], every: list[Row]) -> list[Row]:
    """Return the rows with these names; a name also selects those that begin with it and a dash."""
    if not names:
        return every
    found = [
        row for row in every if any(row.name == n or row.name.startswith(f"{n}-") for n in names)
    ]
    known = {row.name for row in every}
    unknown = [n for n in names if n not in known and not any(k.startswith(f"{n}-") for k in known)]
    if unknown:
        raise SystemExit(f"no such row: {', '.join(unknown)}; --list prints them")
    return found


def tried(row: Row, options: Options) -> Result:
    """Run a row; whatever it raises is a broken promise."""
    try:
        return row.run(options)
    except BrokenPromise as error:
        return Result(ok=False, runs=1, text=str(error))
    except Exception as error:
        traceback.print_exc()
        return Result(ok=False, runs=0, text=f"{type(error).__name__}: {error}"[:500])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="rows to run; none: all")
    parser.add_argument("--list", action="store_true", help="print the rows, run none")
    for field in fields(Options):
        kind = type(field.default)
        parser.add_argument(
            f"--{field.name}", type=kind, default=field.default, help=field.metadata["help"]
        )
    return parser


def main() -> int:
    given = vars(_parser().parse_args())
    names, only_list = given.pop("names"), given.pop("list")
    options, broken = Options(**given), 0
    for row in chosen(names, matrix()):
        head = f"{row.name:<18} {row.promise:<8} {row.fault}"
        if only_list:
            print(head)
            continue
        begun = time.monotonic()
        result = tried(row, options)
        broken += result.ok is False
        took = time.monotonic() - begun
        print(
            f"{head}\n    {result.word}, {result.runs} runs, {took:.0f} s: {result.text}",
            flush=True,
        )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

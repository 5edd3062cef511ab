"""The process that decodes and encodes: one job after the other, within bounds of memory and time.

Its memory is limited by the kernel, and an alarm ends it if its parent does not. What the libraries
print goes nowhere: it may tell of the image.
"""

from __future__ import annotations

import os
import resource
import signal
import warnings
from typing import TYPE_CHECKING, Any

from gateway.datasets.errors import DatasetError, NotTranscodable
from gateway.datasets.validation import disable_validation
from gateway.process import inherit
from gateway.settings import from_map

if TYPE_CHECKING:
    from gateway.process import Inherited

GRACE = 5
"""Seconds after the limit of the parent in which this process ends by itself."""
_MIB = 1 << 20


def main() -> None:
    """Perform the orders of the parent until it is gone."""
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    inherited = inherit()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    from gateway.transcoding import transcoding_job

    _prepare(int(inherited.settings["memory"]))
    inherited.report(ready=True)
    while (orders := inherited.read_orders()) is not None:
        for order in orders:
            signal.alarm(int(order["seconds"]) + GRACE)  # its default action ends the process
            inherited.report(**_outcome(transcoding_job, order["job"], inherited))
            signal.alarm(0)


def _prepare(memory: int) -> None:
    """Limit what is allocated from now on, and keep what libraries print from the log."""
    import logging

    import numpy  # noqa: F401 - what it needs is not counted

    disable_validation(writing=True)
    logging.disable(logging.CRITICAL)
    limit = _address_space() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        os.dup2(nowhere, fd)
    os.close(nowhere)


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _outcome(module: Any, job: dict[str, Any], inherited: Inherited) -> dict[str, Any]:
    memory = int(inherited.settings["memory"])
    try:
        uid = module.perform(from_map(module.TranscodingJob, job))
    except MemoryError:
        return {"error": f"it needs more than {memory // _MIB} MiB of memory", "again": False}
    except DatasetError as error:
        return {"error": str(error), "has_no_form": isinstance(error, NotTranscodable)}
    except OSError as error:
        return {"error": f"{type(error).__name__}: {error}", "again": True}
    except Exception as error:  # one job must not end the others
        return {"error": f"{type(error).__name__} at {_place_of(error)}"}
    return {"uid": uid}


def _place_of(error: Exception) -> str:
    """Return where an error comes from; its text may be that of a value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    code = trace.tb_frame.f_code
    return f"{os.path.basename(code.co_filename)}:{trace.tb_lineno}"


if __name__ == "__main__":
    main()

"""The common part of `get` and `move`: progress and result of a retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.dimse.status import Category
from gateway.requestor.status_text import describe_status

if TYPE_CHECKING:
    from gateway.association.operation import Operation as RequestorOperation
    from gateway.association.operation import ReceivedResponse
    from gateway.cli.interrupt import Interrupt
    from gateway.cli.output import Output


class RetrieveProgress:
    """Shows the sub-operation counters of a C-GET or C-MOVE (PS3.7 9.1.3, 9.1.4)."""

    def __init__(self, output: Output, verb: str) -> None:
        self._output = output
        self._verb = verb
        self._last: tuple[int, ...] = ()
        self._bar = None
        if output.interactive:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                console=output.console,
                transient=True,
            )
            self._task = self._bar.add_task(verb, total=None)

    async def follow(self, operation: RequestorOperation, interrupt: Interrupt) -> ReceivedResponse:
        """Show the pending responses and return the final one; Ctrl-C sends a C-CANCEL."""
        interrupt.ask = operation.cancel
        if self._bar is not None:
            self._bar.start()
        try:
            async for response in operation:
                if response.is_pending:
                    self._pending(response)
        finally:
            if self._bar is not None:
                self._bar.stop()
        return response

    def _pending(self, response: ReceivedResponse) -> None:
        numbers = counters(response)
        remaining = numbers["remaining"]
        done = sum(numbers.values()) - remaining
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=done + remaining)
        elif (remaining, done) != self._last:
            self._last = (remaining, done)
            good, failed = numbers["completed"] + numbers["warning"], numbers["failed"]
            text = f"{good} of {done + remaining} {self._verb}"
            text += f", {failed} failed" if failed else ""
            self._output.event("progress", text, **numbers)

    def end(
        self,
        sop_class: str,
        final: ReceivedResponse,
        *,
        done: int | None = None,
        written: int | None = None,
    ) -> int:
        """Print the summary and return the exit status.

        `done` and `written` are what this side counted itself (C-GET). Otherwise the numbers are
        those of the peer, and there are no others (C-MOVE). If the peer says another number than
        `written`, both are printed.
        """
        numbers = counters(final)
        status_text = describe_status(sop_class, final.response)
        parts = [f"{numbers['completed'] if done is None else done} {self._verb}"]
        parts += [] if written is None else [f"{written} written"]
        for name, what in (
            ("warning", "with a warning"),
            ("failed", "failed"),
            ("remaining", "not started"),
        ):
            parts += [f"{numbers[name]} {what}"] if numbers[name] else []
        agreed = written is None or is_count(final, written)
        if not agreed:
            parts.append(f"but {numbers['completed'] + numbers['warning']} according to the peer")
        text = f"{', '.join(parts)}; {status_text}"
        said: dict[str, int | str] = {"status": final.status, "text": status_text, **numbers}
        if done is not None and written is not None:
            said |= {self._verb: done, "written": written}
        self._output.event("summary", text, **said)
        succeeded = final.category is Category.SUCCESS and not numbers["failed"]
        return 0 if succeeded and agreed else 1


def is_count(final: ReceivedResponse, number: int) -> bool:
    """Return whether the peer counted `number` sub-operations without failure, or does not say."""
    if getattr(final.response, "number_of_completed_suboperations", None) is None:
        return True
    numbers = counters(final)
    return numbers["completed"] + numbers["warning"] == number


def counters(received: ReceivedResponse) -> dict[str, int]:
    """Return remaining, completed, failed and warning sub-operations; 0 for an absent one."""
    return {
        name: getattr(received.response, f"number_of_{name}_suboperations", None) or 0
        for name in ("remaining", "completed", "failed", "warning")
    }

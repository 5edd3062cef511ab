"""The worker that de-identifies instances: it holds EVT_STORE_TRANSFORM (PS3.15 annex E).

It is asked before an instance is kept, or on a route:

    [archive]
    transform = ["deidentify"]

    [workers.deidentify]
    options = {key_file = "/etc/dicom-gateway/deidentify.key", profile = ["clean_descriptors"]}

What cannot be de-identified is refused, and neither kept nor sent.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from gateway.datasets import DatasetError
from gateway.datasets.validation import disable_validation
from gateway.sdk import Worker, evt, status_with_comment
from workers.deidentify.deidentifier import NotCleaned, deidentify
from workers.deidentify.profile_options import profile_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydicom.dataset import Dataset

    from gateway.sdk import Event
    from workers.deidentify.profile import Profile

REFUSED = 0xC000
"""The status of an instance that cannot be de-identified: cannot understand (PS3.4 B.2.3)."""
DEADLINE = 120.0
"""Seconds for an instance; decompression of many frames takes that."""

log = logging.getLogger("workers.deidentify")

worker = Worker("deidentify", concurrency=2)


class Deidentifier:
    """The state of the worker from its start on."""

    _profile: Profile | None = None

    def start(self) -> None:
        """Read options and key; raises ConfigError for what is wrong with them."""
        disable_validation(writing=True)
        self._profile = profile_of(worker.context.options)
        metrics = worker.context.metrics
        self._made = metrics.counter(
            "dicom_gateway_deidentified_total", "Instances that were de-identified."
        )
        self._refused = metrics.counter(
            "dicom_gateway_deidentify_refused_total", "Instances that could not be de-identified."
        )
        for counter in (self._made, self._refused):
            counter.add(0)  # or the first instance would be no increase

    def reload(self, options: Mapping[str, Any]) -> Callable[[], None]:
        """Check other options; return what puts them in force."""
        profile = profile_of(options)

        def change() -> None:
            self._profile = profile

        return change

    def transform(self, event: Event) -> Dataset:
        """Return the de-identified data set, or a refusal."""
        assert self._profile is not None
        try:
            made, syntax = deidentify(
                event.dataset, self._profile, str(event.context.transfer_syntax)
            )
        except DatasetError as error:
            self._refused.add(1)
            # the text of other errors may quote a value
            text = str(error) if isinstance(error, NotCleaned) else "it cannot be decoded"
            log.warning("association=%s not de-identified: %s", event.assoc_name, text)
            return status_with_comment(REFUSED, text[:64])
        made.file_meta = meta = FileMetaDataset()
        meta.TransferSyntaxUID = UID(syntax)
        self._made.add(1)
        return made


deidentifier = Deidentifier()
worker.on_start(deidentifier.start)
worker.on_reload(deidentifier.reload)
worker.bind(evt.EVT_STORE_TRANSFORM, deidentifier.transform, redeliver=True, deadline=DEADLINE)

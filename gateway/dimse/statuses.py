"""The status codes of each service in addition to those of PS3.7 annex C, as in PS3.4."""

from __future__ import annotations

from typing import NamedTuple

from gateway.dimse.status import GENERAL, Category


class StatusRow(NamedTuple):
    """The codes from `first` to `last`, with one meaning."""

    first: int
    last: int
    category: Category
    meaning: str


StatusRows = tuple[StatusRow, ...]


def _failure(code: int, meaning: str, last: int = 0) -> StatusRow:
    return StatusRow(code, last or code, Category.FAILURE, meaning)


def _warning(code: int, meaning: str) -> StatusRow:
    return StatusRow(code, code, Category.WARNING, meaning)


def _pending(code: int, meaning: str) -> StatusRow:
    return StatusRow(code, code, Category.PENDING, meaning)


def find_status(rows: StatusRows, code: int) -> tuple[Category, str] | None:
    """Return the class and meaning of a code in a service with `rows`; None if it has none."""
    for row in rows:
        if row.first <= code <= row.last:
            return row.category, row.meaning
    return GENERAL.get(code)


_OUT_OF_RESOURCES = _failure(0xA700, "Refused: out of resources")
_WRONG_IDENTIFIER = _failure(0xA900, "Identifier does not match SOP Class")
_UNABLE = _failure(0xC000, "Unable to process", 0xCFFF)
_OPTIONAL_IGNORED = _warning(0x0001, "Requested optional attributes are not supported")
_MATCH = _pending(0xFF00, "Matches are continuing")
_MATCH_WARNING = _pending(0xFF01, "Matches are continuing, an optional key was not supported")

STORAGE: StatusRows = (
    _warning(0xB000, "Stored: data elements were coerced"),
    _warning(0xB006, "Stored: data elements were discarded"),
    _warning(0xB007, "Stored: data set does not match SOP Class"),
    _failure(0xA700, "Refused: out of resources", 0xA7FF),
    _failure(0xA900, "Data set does not match SOP Class", 0xA9FF),
    _failure(0xC000, "Cannot understand", 0xCFFF),
)
"""PS3.4 B.2.3."""

NON_PATIENT_OBJECT: StatusRows = (
    _OUT_OF_RESOURCES,
    _failure(0xA900, "Data set does not match SOP Class"),
    _failure(0xC000, "Cannot understand"),
)
"""PS3.4 GG.4."""

FIND: StatusRows = (_OUT_OF_RESOURCES, _WRONG_IDENTIFIER, _UNABLE, _MATCH, _MATCH_WARNING)
"""PS3.4 C.4.1.1.4, K.4.1.1.4, V.4.1.1.4."""

REPOSITORY_QUERY: StatusRows = (
    _failure(0xA710, "Invalid prior record key"),
    _warning(0xB001, "Response limit reached, another request may give more matches"),
    *FIND,
)
"""PS3.4 C.6.4.3."""

_RETRIEVE: StatusRows = (
    _failure(0xA701, "Refused: unable to calculate the number of matches"),
    _failure(0xA702, "Refused: unable to perform sub-operations"),
    _WRONG_IDENTIFIER,
    _failure(0xAA00, "None of the frames requested were found"),
    _failure(0xAA01, "Unable to create a new object for this SOP Class"),
    _failure(0xAA02, "Unable to extract frames"),
    _failure(0xAA03, "Time-based request for an instance that is not time-based"),
    _failure(0xAA04, "Invalid request"),
    _UNABLE,
    _warning(0xB000, "Sub-operations complete, with failures or warnings"),
    _pending(0xFF00, "Sub-operations are continuing"),
)

GET: StatusRows = _RETRIEVE
"""PS3.4 C.4.3.1.4, Y.4.2.1.4."""

MOVE: StatusRows = (_failure(0xA801, "Refused: move destination unknown"), *_RETRIEVE)
"""PS3.4 C.4.2.1.5, Y.4.1.1.4."""

RELEVANT_PATIENT: StatusRows = (
    _OUT_OF_RESOURCES,
    _WRONG_IDENTIFIER,
    _failure(0xC000, "Unable to process"),
    _failure(0xC100, "More than one match found"),
    _failure(0xC200, "Unable to support the requested template"),
    _pending(0xFF00, "Match supplied"),
)
"""PS3.4 Q.2.1.1.4."""

PROCEDURE_STEP: StatusRows = (
    _OPTIONAL_IGNORED,
    _failure(0x0110, "Performed procedure step may no longer be updated, or processing failure"),
)
"""PS3.4 F.7.2, F.8.2."""

PRINT: StatusRows = (
    _warning(0xB600, "Memory allocation not supported"),
    _warning(0xB601, "Film session printing (collation) not supported"),
    _warning(0xB602, "Film session without image boxes: empty page"),
    _warning(0xB603, "Film box without image boxes: empty page"),
    _warning(0xB604, "Image larger than image box: demagnified"),
    _warning(0xB605, "Requested density outside of the printer's range"),
    _warning(0xB609, "Image larger than image box: cropped"),
    _warning(0xB60A, "Image larger than image box: decimated"),
    _failure(0xC600, "Film session without film boxes"),
    _failure(0xC601, "Print queue is full"),
    _failure(0xC602, "Print queue is full"),
    _failure(0xC603, "Image larger than image box"),
    _failure(0xC605, "Insufficient memory in printer"),
    _failure(0xC613, "Combined print image larger than image box"),
    _failure(0xC616, "The existing film box has not been printed"),
)
"""PS3.4 H.4."""

EVENT_LOGGING: StatusRows = (
    _warning(0xB101, "Synchronization frame of reference does not match"),
    _warning(0xB102, "Logged under another Study Instance UID"),
    _warning(0xB104, "IDs inconsistent: event logged"),
    _failure(0xC101, "No logging for this Study Instance UID"),
    _failure(0xC102, "Event information does not match template"),
    _failure(0xC103, "Cannot match event to a current study"),
    _failure(0xC104, "IDs inconsistent: event not logged"),
    _failure(0xC10E, "Operator not authorized for the medication administration record"),
    _failure(0xC110, "Patient cannot be identified"),
    _failure(0xC111, "Update of the medication administration record failed"),
)
"""PS3.4 P.2."""

MEDIA_CREATION: StatusRows = (
    _OPTIONAL_IGNORED,
    _failure(0xA510, "Media creation was already initiated for this instance"),
    _failure(0xC201, "Media creation request already completed"),
    _failure(0xC202, "Media creation in progress, cannot be interrupted"),
    _failure(0xC203, "Cancellation denied"),
)
"""PS3.4 S.3.2."""

INVENTORY_CREATION: StatusRows = (
    _warning(0xB010, "Key attributes are not supported for matching"),
)
"""PS3.4 KK.2.2."""

RT_VERIFICATION: StatusRows = (
    _failure(0xC112, "No such machine verification instance"),
    _failure(0xC221, "No such fraction group in the referenced plan"),
    _failure(0xC222, "No beams in the referenced fraction group"),
    _failure(0xC223, "Another verification is being performed"),
    _failure(0xC224, "No such beam in the referenced fraction group"),
    _failure(0xC225, "Referenced device or accessory not supported"),
    _failure(0xC226, "Referenced device or accessory not found in the beam"),
    _failure(0xC227, "No such RT plan"),
)
"""PS3.4 DD.3.2."""

UPS: StatusRows = (
    _OPTIONAL_IGNORED,
    _warning(0xB300, "UPS created with modifications"),
    _warning(0xB301, "Deletion lock not granted"),
    _warning(0xB304, "UPS already CANCELED"),
    _warning(0xB305, "Invalid values were coerced to valid values"),
    _warning(0xB306, "UPS already COMPLETED"),
    _failure(0xC300, "UPS may no longer be updated"),
    _failure(0xC301, "Wrong transaction UID"),
    _failure(0xC302, "UPS already IN PROGRESS"),
    _failure(0xC303, "Only N-CREATE makes a UPS SCHEDULED"),
    _failure(0xC304, "Final state requirements are not met"),
    _failure(0xC307, "No such UPS managed here"),
    _failure(0xC308, "Receiving AE title unknown here"),
    _failure(0xC309, "UPS state was not SCHEDULED"),
    _failure(0xC310, "UPS not yet IN PROGRESS"),
    _failure(0xC311, "UPS already COMPLETED"),
    _failure(0xC312, "The performer cannot be contacted"),
    _failure(0xC313, "The performer chooses not to cancel"),
    _failure(0xC314, "Action not appropriate for this instance"),
    _failure(0xC315, "Event reports are not supported"),
    *FIND,
)
"""PS3.4 CC.2."""

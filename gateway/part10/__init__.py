"""The File Meta Information of a DICOM file (PS3.10 7.1), and the first elements of a data set.

    meta        File Meta Information: written and read
    identity    `IdentityScan`: SOP class and instance, found while a data set arrives
    elements    headers of data elements, and the limits

Standard library only; no data set is decoded.
"""

from gateway.part10.elements import LIMIT, PREAMBLE
from gateway.part10.identity import IdentityScan
from gateway.part10.meta import FileMeta, Part10Error, file_meta, read_file_meta

# fmt: off
__all__ = [
    "LIMIT", "PREAMBLE", "FileMeta", "IdentityScan", "Part10Error", "file_meta", "read_file_meta",
]
# fmt: on

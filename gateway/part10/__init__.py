"""The outside of a DICOM file (PS3.10 7.1), and the first elements of a data set.

Nothing here decodes a data set.
"""

from gateway.part10.elements import LIMIT, PREAMBLE
from gateway.part10.identity import IdentityScan
from gateway.part10.meta import FileMeta, Part10Error, file_meta, read_file_meta

__all__ = [
    "LIMIT",
    "PREAMBLE",
    "FileMeta",
    "IdentityScan",
    "Part10Error",
    "file_meta",
    "read_file_meta",
]

"""Data sets, the instances that hold them, and the presentation contexts that carry them.

    syntaxes      the transfer syntaxes that data sets are converted between
    selection     `select_context`: the accepted context that a message is sent on
    byte_sources  where the bytes of an encoded data set are
    element_steps  its elements one after the other, without decoding a value
    instances     SOP instances in files and in memory: identified, and read without decoding
    deflation     deflate and inflate (PS3.5 A.5), with the limit on what is inflated
    character_sets  text in each Specific Character Set (PS3.3 C.12.1.1.2)
    lenient_values  values that pydicom does not convert, as text (pydicom)
    element_writer  elements whose values are encoded already, in any transfer syntax
    failed_list   the data set of Failed SOP Instance UID List alone
    coding        pydicom's data sets to bytes and back (pydicom)
    bounded       data sets of requests, within bounds of size, elements and depth (pydicom)
    plain         the fast encoder of flat data sets of text (pydicom)
    conversion    between uncompressed transfer syntaxes, and to an accepted context (pydicom)
    validation    switches off pydicom's checks of values (pydicom)

Everything that encodes, decodes or chooses a context does it here: the SDK, the requestor, the
acceptor's C-GET and the pynetdicom face. An acceptor and the requestor's core run without pydicom,
so this package itself names only what works without it; the modules that need pydicom are imported
by name.
"""

from gateway.datasets.errors import DatasetError, NoContext, NotDicom
from gateway.datasets.instances import Instance, identify, identify_bytes, identify_file
from gateway.datasets.selection import select_context
from gateway.datasets.syntaxes import BASIC_SYNTAXES, UNCOMPRESSED

# fmt: off
__all__ = [
    "BASIC_SYNTAXES", "UNCOMPRESSED", "DatasetError", "Instance", "NoContext", "NotDicom",
    "identify", "identify_bytes", "identify_file", "select_context",
]
# fmt: on

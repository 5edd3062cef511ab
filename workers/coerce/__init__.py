"""Coercion: what is set, removed and filled in of instances before they are kept.

    coerce_worker        `EVT_STORE_TRANSFORM`: the rules of an association, applied
    coerced_dataset      a data set that is changed at places, also in items of sequences
    original_attributes  Original Attributes Sequence: what it had before (PS3.3 C.12.1.1.9)

The entry point names this package.
"""

from workers.coerce.coerce_worker import worker as worker

"""The load generator: any SCP under a load that is stated, and what it took, honestly counted.

A parent (`coordinator`) execs one or more children (`child`), each of which runs `engine`: a
schedule of operations and the associations that perform them. Children report what happened slice
by slice of time; the parent merges that into a `Result`, which becomes a table, a JSON document and
an HTML page. What a child has reported is kept, whatever becomes of the child.
"""

from gateway.load.coordinator import Coordinator
from gateway.load.plan import Plan, Rate
from gateway.load.result import Result

__all__ = ["Coordinator", "Plan", "Rate", "Result"]

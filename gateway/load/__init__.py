"""The load generator: sends DIMSE requests to any SCP and measures how it responds.

A parent (`coordinator`) starts one or more child processes (`child`). Each runs a `load_engine`: a
schedule of operations, and the associations that perform them. Children report what happened in
slices of half a second; the parent merges the slices into a `LoadResult`, which becomes a table, a
JSON document and an HTML page. What a child has reported counts even if the child dies.
"""

"""The stock worker `web`: metrics, health and the page for operators.

`exposition.py` writes for Prometheus what `gateway.collector` adds up of the processes,
Prometheus, `health.py` says whether the gateway lives and is ready, `access.py` decides who may
look, and `web_worker.py` serves it all over HTTP, in a thread beside the fabric's.

`pages.py` has the routes of the pages: the files in `static/`, a stream of server-sent events for
each page (`views.py` makes its messages), and what an operator may change. Three things are kept on
disk below the data directory, each bounded: `rates.py`, `history.py` and `senders.py`.
`archive_view.py` reads the index. Everything that a page shows is asked for only while it is open.
`figures/` has screenshots; `python -m tests.bench page --figures` makes them anew.
"""

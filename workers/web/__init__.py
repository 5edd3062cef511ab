"""The stock worker `web`: metrics, health and the page for operators.

`collector.py` adds up what the processes of the gateway tell, `exposition.py` writes it for
Prometheus, `health.py` says whether the gateway lives and is ready, `access.py` decides who may
look, and `web_worker.py` serves it all over HTTP, in a thread beside the fabric's.
"""

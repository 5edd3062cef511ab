"""The description of the service that a client asks for by OPTIONS (PS3.18 8.9, annex H)."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.requests import Request
    from starlette.responses import Response

WADL = "application/vnd.sun.wadl+xml"
_NAMESPACE = "http://wadl.dev.java.net/2009/02"


class Resource(NamedTuple):
    """A transaction of the service: the method of a path."""

    path: str
    """Below the root of the service; parts in braces are templates."""
    method: str
    name: str
    """What PS3.18 calls the transaction; one of its own for each."""
    answer: Callable[[Request, str], Awaitable[Response]]
    gives: tuple[str, ...]
    """Media types of a response, the default first."""
    queries: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    """Media types of the payload of a request."""


def wadl(resources: Iterable[Resource], base: str) -> bytes:
    """Return the resources as a document in WADL; `base` is the address of the service."""
    root = ET.Element("application", {"xmlns": _NAMESPACE})
    top = ET.SubElement(root, "resources", {"base": base})
    nodes: dict[str, ET.Element] = {"": top}
    for path, same in groupby(sorted(resources, key=lambda one: one.path), lambda one: one.path):
        node = _node(nodes, path)
        for resource in same:
            _method(node, resource)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root)


def _node(nodes: dict[str, ET.Element], path: str) -> ET.Element:
    """Return the element of a path, with those above it."""
    if path not in nodes:
        above, _, last = path.rpartition("/")
        text = last.removesuffix(":path}") + "}" if last.endswith(":path}") else last
        nodes[path] = node = ET.SubElement(_node(nodes, above), "resource", {"path": text})
        if last.startswith("{"):
            named = {"name": text.strip("{}"), "style": "template", "required": "true"}
            ET.SubElement(node, "param", named)
    return nodes[path]


def _method(node: ET.Element, resource: Resource) -> None:
    method = ET.SubElement(node, "method", {"name": resource.method, "id": resource.name})
    request = ET.SubElement(method, "request")
    accept = ET.SubElement(
        request, "param", {"name": "Accept", "style": "header", "default": resource.gives[0]}
    )
    for media_type in resource.gives:
        ET.SubElement(accept, "option", {"value": media_type})
    for query in resource.queries:
        ET.SubElement(request, "param", {"name": query, "style": "query"})
    for media_type in resource.takes:
        ET.SubElement(request, "representation", {"mediaType": media_type})
    response = ET.SubElement(method, "response", {"status": "200"})
    for media_type in resource.gives:
        ET.SubElement(response, "representation", {"mediaType": media_type})

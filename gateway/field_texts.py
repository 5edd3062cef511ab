"""The texts under the fields of a dataclass, in which settings and options are described."""

from __future__ import annotations

import ast
import inspect
from functools import lru_cache
from itertools import pairwise


@lru_cache
def field_texts(kind: type) -> dict[str, str]:
    """Return the string under each field, of the class and of those that it inherits from."""
    texts: dict[str, str] = {}
    for one in kind.__mro__[:-1]:
        (definition,) = ast.parse(inspect.getsource(one)).body
        body = getattr(definition, "body", [])
        for field, text in pairwise(body):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    texts.setdefault(name, " ".join(words.split()))
    return texts

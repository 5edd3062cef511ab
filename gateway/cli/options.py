"""Options of a command as a dataclass, so that several commands can share them.

A field is an option: its annotation has the flags, and the string under it is the help text.
"""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, get_type_hints

from typer.models import ArgumentInfo

from gateway.field_texts import field_texts

if TYPE_CHECKING:
    from collections.abc import Callable


def with_options(
    kind: type, name: str, **defaults: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of a dataclass as its arguments and options.

    The command is called with the instance as its keyword argument `name`. Arguments of the
    dataclass come before the command's own parameters, options after them. `defaults` replace
    those of the dataclass.
    """
    hints, texts = get_type_hints(kind, include_extras=True), field_texts(kind)
    added = [_parameter(one, hints[one.name], texts[one.name], defaults) for one in fields(kind)]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for one in signature.parameters.values()
            if one.name != name
        ]
        arguments = [one for one in added if _is_argument(one)]
        parameters = [*arguments, *own, *(one for one in added if not _is_argument(one))]

        @wraps(command)
        def wrapper(**given: Any) -> None:
            values = {one.name: given.pop(one.name) for one in added}
            command(**given, **{name: kind(**values)})

        vars(wrapper)["__signature__"] = signature.replace(parameters=parameters)
        wrapper.__annotations__ = {one.name: one.annotation for one in parameters}
        return wrapper

    return decorate


def _parameter(
    field: Any, annotation: Any, text: str, defaults: dict[str, Any]
) -> inspect.Parameter:
    default = defaults.get(field.name, field.default)
    if field.default_factory is not MISSING:
        default = field.default_factory()
    annotation.__metadata__[0].help = text
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is MISSING else default,
        annotation=annotation,
    )


def _is_argument(parameter: inspect.Parameter) -> bool:
    return isinstance(parameter.annotation.__metadata__[0], ArgumentInfo)

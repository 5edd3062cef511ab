"""Rules for values: a type for pydantic, and the same as text for an error."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Rule:
    """A type for pydantic, and the same as text: "it must be ..."."""

    kind: Any
    words: str
    choices: tuple[str, ...] = ()
    """All valid values, if they are few."""


def whole(low: int, high: int) -> Rule:
    kind = Annotated[int, BeforeValidator(_not_bool), Field(ge=low, le=high)]
    return Rule(kind, f"a whole number from {low} to {high}")


def whole_or(word: str, low: int, high: int) -> Rule:
    """Return the rule for a number, or one word in its place."""

    def check(value: Any) -> Any:
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if number != word and not (type(number) is int and low <= number <= high):
            raise ValueError
        return number

    number = {"type": "integer", "minimum": low, "maximum": high}
    schema = WithJsonSchema({"anyOf": [number, {"type": "string", "const": word}]})
    kind = Annotated[int | str, BeforeValidator(check), schema]
    return Rule(kind, f"a whole number from {low} to {high}, or {word}")


def seconds(low: float = 0.1, high: float = 86_400) -> Rule:
    limits = Field(ge=low, le=high, allow_inf_nan=False)
    kind = Annotated[float, BeforeValidator(_not_bool), limits]
    return Rule(kind, f"a number of seconds from {low:g} to {high:g}")


def one_of(*words: str) -> Rule:
    kind = Annotated[str, AfterValidator(must(lambda text: text in words))]
    return Rule(kind, f"{', '.join(words[:-1])} or {words[-1]}", words)


def text_that(right: Callable[[str], bool], words: str) -> Rule:
    return Rule(Annotated[str, AfterValidator(must(right))], words)


def texts(right: Callable[[str], bool], words: str) -> Rule:
    item = Annotated[str, AfterValidator(must(right))]
    return Rule(Annotated[tuple[item, ...], BeforeValidator(_split)], words)


def must(right: Callable[[str], bool]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not right(text):
            raise ValueError
        return text

    return check


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError
    return value


def _split(value: Any) -> Any:
    """Return the items of a list, which an environment variable separates by commas."""
    if not isinstance(value, str):
        return value
    return [item.strip() for item in value.split(",") if item.strip()]


def is_tcp(text: str, *, address: bool = False) -> bool:
    """Return whether a text is tcp://HOST:PORT; `address`: the host has to be an IP address."""
    scheme, _, place = text.partition("://")
    host, _, port = place.rpartition(":")
    if scheme != "tcp" or not (port.isdecimal() and 0 < int(port) < 65_535):
        return False
    bare = host.removeprefix("[").removesuffix("]")
    return is_address(bare) if address or ":" in bare else bool(re.fullmatch(r"[\w.-]+", bare))


def is_address(text: str) -> bool:
    """Return whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_network(text: str) -> bool:
    """Return whether a text is an address or a network of addresses, IPv4 or IPv6."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def is_ae_title(text: str) -> bool:
    """Return whether a text is a valid AE title (PS3.5 6.2, VR AE)."""
    return (
        1 <= len(text) <= 16
        and all(" " <= character <= "~" for character in text)
        and "\\" not in text
        and bool(text.strip())
    )


AE_TITLE = "1 to 16 ASCII characters, no backslash or control character, and not only spaces"
"""The rule for AE titles, as text for an error."""
FLAG = Rule(bool, "true or false")

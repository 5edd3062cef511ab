"""The conditions of routes: a small language, and whether one holds for an instance.

    Modality == "CT" and calling in ["CT1", "CT2"] and not StudyDescription like "*TEST*"

A name is `calling`, `called` or `address`, the keyword of an attribute in the index, or its tag as
eight hexadecimal digits. Operators are `==`, `!=`, `<`, `<=`, `>`, `>=`, `in [...]`, `not in
[...]`, `like` (with `*` and `?`) and `not like`; `present(NAME)` holds if there is a value. They
are joined by `and`, `or`, `not` and parentheses; `not` binds most tightly, `or` least.

An attribute with several values fulfils a comparison if one of them does. One without a value
fulfils none; `!=`, `not in` and `not like` are the opposite of `==`, `in` and `like`. Rows and
other numbers are compared as numbers, everything else as text, so dates in order. `address in
[...]` takes networks, and a UID may be given by its keyword.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.errors import ConfigError
from gateway.uid import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

PEER_NAMES = ("calling", "called", "address")
ATTRIBUTE_TAGS = {
    "PatientName": 0x00100010,
    "PatientID": 0x00100020,
    "IssuerOfPatientID": 0x00100021,
    "PatientBirthDate": 0x00100030,
    "PatientBirthTime": 0x00100032,
    "PatientSex": 0x00100040,
    "StudyInstanceUID": 0x0020000D,
    "StudyID": 0x00200010,
    "StudyDate": 0x00080020,
    "StudyTime": 0x00080030,
    "AccessionNumber": 0x00080050,
    "ReferringPhysicianName": 0x00080090,
    "StudyDescription": 0x00081030,
    "SeriesInstanceUID": 0x0020000E,
    "SeriesNumber": 0x00200011,
    "Modality": 0x00080060,
    "SeriesDate": 0x00080021,
    "SeriesTime": 0x00080031,
    "SeriesDescription": 0x0008103E,
    "StationName": 0x00081010,
    "BodyPartExamined": 0x00180015,
    "ProtocolName": 0x00181030,
    "SOPInstanceUID": 0x00080018,
    "SOPClassUID": 0x00080016,
    "InstanceNumber": 0x00200013,
    "ContentDate": 0x00080023,
    "ContentTime": 0x00080033,
    "AcquisitionDateTime": 0x0008002A,
    "NumberOfFrames": 0x00280008,
    "Rows": 0x00280010,
    "Columns": 0x00280011,
    "TransferSyntaxUID": 0x00020010,
}
"""The attributes that a condition may name: those in the index, and the transfer syntax."""
NAMES = (*PEER_NAMES, *ATTRIBUTE_TAGS)

_BY_TAG = {f"{tag:08X}": keyword for keyword, tag in ATTRIBUTE_TAGS.items()}
_UIDS = frozenset({"SOPClassUID", "TransferSyntaxUID"})
_NUMBERS = frozenset({"SeriesNumber", "InstanceNumber", "NumberOfFrames", "Rows", "Columns"})
_DEEPEST = 50
"""Conditions within each other."""
_WORDS = ("and", "or", "not", "in", "like", "present")
_TOKEN = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<name>[A-Za-z0-9_.+-]+)|(?P<sign>==|!=|<=|>=|&&|\|\||[=<>!\[\](),]))"
)
_REMEDIES = {"=": "==", "&&": "and", "||": "or", "!": "not"}
_SIGNS = ("==", "!=", "<", "<=", ">", ">=")


class InvalidCondition(ConfigError):  # noqa: N818 - what is wrong with it
    """A condition is wrong; the text has the position, from 1, what is wrong, and what to write."""

    def __init__(self, text: str, position: int) -> None:
        super().__init__(f"at character {position + 1}: {text}")
        self.position = position
        """From 0."""


@dataclass(frozen=True, slots=True)
class ValueTest:
    """A comparison of an attribute with values."""

    name: str
    sign: str
    """==, <, <=, >, >=, in, like or present; the opposites are in a `Not`."""
    values: tuple[str, ...] = ()

    def holds(self, facts: Mapping[str, str]) -> bool:
        given = [one.strip() for one in facts.get(self.name, "").split("\\")]
        given = [one for one in given if one]
        if self.sign == "present":
            return bool(given)
        return any(_compares(self, one, value) for one in given for value in self.values)

    def __str__(self) -> str:
        if self.sign == "present":
            return f"present({self.name})"
        shown = ", ".join(f'"{value}"' for value in self.values)
        return f"{self.name} {self.sign} {f'[{shown}]' if self.sign == 'in' else shown}"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    inner: Condition

    def holds(self, facts: Mapping[str, str]) -> bool:
        return not self.inner.holds(facts)

    def __str__(self) -> str:
        return f"not ({self.inner})"


@dataclass(frozen=True, slots=True)
class Every:
    """Conditions that are joined by `and`; none: holds always."""

    parts: tuple[Condition, ...] = ()

    def holds(self, facts: Mapping[str, str]) -> bool:
        return all(part.holds(facts) for part in self.parts)

    def __str__(self) -> str:
        return " and ".join(f"({part})" for part in self.parts) or "always"


@dataclass(frozen=True, slots=True)
class Either:
    """Conditions that are joined by `or`."""

    parts: tuple[Condition, ...]

    def holds(self, facts: Mapping[str, str]) -> bool:
        return any(part.holds(facts) for part in self.parts)

    def __str__(self) -> str:
        return " or ".join(f"({part})" for part in self.parts)


Condition: TypeAlias = "ValueTest | Not | Every | Either"


def parse(text: str) -> Condition:
    """Return the condition that a text states; the empty text always holds.

    Raises InvalidCondition.
    """
    if not text.strip():
        return Every()
    parser = _Parser(_tokens(text))
    found = parser.alternatives()
    if parser.next.kind != "end":
        raise InvalidCondition(
            f"{parser.next.text!r} is not expected: join conditions by `and` or `or`",
            parser.next.position,
        )
    return found


def names_in(condition: Condition) -> frozenset[str]:
    """Return the names that a condition mentions."""
    match condition:
        case ValueTest():
            return frozenset({condition.name})
        case Not():
            return names_in(condition.inner)
        case Every() | Either():
            return frozenset().union(*(names_in(part) for part in condition.parts))


class _Word(NamedTuple):
    kind: str
    """text, name, sign or end."""
    text: str
    position: int


def _tokens(text: str) -> list[_Word]:
    found, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            at = position + len(text[position:]) - len(text[position:].lstrip())
            quoted = text[at] in "\"'"
            why = "the text is not closed: end it with the same quote" if quoted else "unexpected"
            raise InvalidCondition(f"{text[at:][:20]!r}: {why}", at)
        kind = str(match.lastgroup)
        found.append(_Word(kind, match[kind], match.start(kind)))
        position = match.end()
    return [*found, _Word("end", "the end", end)]


class _Parser:
    def __init__(self, tokens: list[_Word]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    @property
    def next(self) -> _Word:
        return self._tokens[self._at]

    def _take(self) -> _Word:
        token = self.next
        self._at += token.kind != "end"
        return token

    def _is_word(self, word: str) -> bool:
        return self.next.kind == "name" and self.next.text == word

    def alternatives(self) -> Condition:
        parts = [self._conjunction()]
        while self._is_word("or"):
            self._take()
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _conjunction(self) -> Condition:
        parts = [self._factor()]
        while self._is_word("and"):
            self._take()
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _factor(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            text = f"more than {_DEEPEST} conditions within each other"
            raise InvalidCondition(text, self.next.position)
        found = self._one()
        self._depth -= 1
        return found

    def _one(self) -> Condition:
        if self._is_word("not"):
            self._take()
            return Not(self._factor())
        if self.next.text == "(" and self.next.kind == "sign":
            self._take()
            inner = self.alternatives()
            self._expect(")", "a parenthesis is not closed: write )")
            return inner
        if self._is_word("present"):
            self._take()
            self._expect("(", "write present(NAME)")
            name = self._name()
            self._expect(")", "write present(NAME)")
            return ValueTest(name, "present")
        return self._comparison()

    def _comparison(self) -> Condition:
        name = self._name()
        negated = False
        if self._is_word("not"):
            self._take()
            negated = True
        token = self._take()
        if token.text == "in":
            made = ValueTest(name, "in", self._list(name))
        elif token.text == "like":
            made = ValueTest(name, "like", (self._value(name, pattern=True),))
        elif token.text in _SIGNS and not negated:
            negated = token.text == "!="
            made = ValueTest(name, "==" if negated else token.text, (self._value(name),))
        else:
            raise _no_operator(token, negated)
        return Not(made) if negated else made

    def _list(self, name: str) -> tuple[str, ...]:
        self._expect("[", f'write a list after `in`, as {name} in ["A", "B"]')
        values = [self._value(name)]
        while self.next.text == ",":
            self._take()
            values.append(self._value(name))
        self._expect("]", "the list is not closed: write ]")
        return tuple(values)

    def _value(self, name: str, *, pattern: bool = False) -> str:
        token = self._take()
        if token.kind == "text":
            value = re.sub(r"\\(.)", r"\1", token.text[1:-1])
        elif token.kind == "name" and re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)*", token.text):
            value = token.text
        else:
            hint = f': put it in quotes, "{token.text}"' if token.kind == "name" else ""
            raise InvalidCondition(f"{token.text!r} is not a value{hint}", token.position)
        return value if pattern else _checked(name, value, token.position)

    def _name(self) -> str:
        token = self._take()
        if token.kind != "name" or token.text in _WORDS:
            remedy = _REMEDIES.get(token.text)
            hint = f": write {remedy}" if remedy else ": a name stands here, such as Modality"
            raise InvalidCondition(f"{token.text!r} is not expected{hint}", token.position)
        name = _BY_TAG.get(token.text.upper(), token.text)
        if name in NAMES:
            return name
        if lower := [one for one in NAMES if one.lower() == name.lower()]:
            near = lower
        else:
            near = difflib.get_close_matches(name, NAMES, 1, 0.6)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(NAMES)}"
        raise InvalidCondition(f"there is no {name!r} in the index; {hint}", token.position)

    def _expect(self, sign: str, remedy: str) -> None:
        token = self._take()
        if token.kind != "sign" or token.text != sign:
            raise InvalidCondition(f"{token.text!r} is not expected: {remedy}", token.position)


def _no_operator(token: _Word, negated: bool) -> InvalidCondition:
    if negated:
        return InvalidCondition("write `in` or `like` after `not`", token.position)
    remedy = _REMEDIES.get(token.text)
    hint = f"write {remedy}" if remedy else f"write one of {', '.join(_SIGNS)}, in, like"
    return InvalidCondition(f"{token.text!r} is not an operator: {hint}", token.position)


def _checked(name: str, value: str, position: int) -> str:
    """Return a value in the form in which it is compared; raise InvalidCondition."""
    if name in _UIDS and not re.fullmatch(r"[0-9.]+", value):
        if value not in KEYWORDS:
            near = difflib.get_close_matches(value, KEYWORDS, 1, 0.6)
            hint = f"did you mean {near[0]}?" if near else "write a UID or its keyword"
            raise InvalidCondition(f"{value!r} is not a UID; {hint}", position)
        return KEYWORDS[value]
    if name == "address":
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError:
            text = f"{value!r} is not an address or a network, such as 10.0.0.0/24"
            raise InvalidCondition(text, position) from None
    return value


def _compares(comparison: ValueTest, given: str, value: str) -> bool:
    sign = comparison.sign
    if sign == "like":
        return fnmatchcase(given, re.sub(r"\[", "[[]", value))
    if comparison.name == "address" and sign in ("==", "in"):
        return _is_in(given, value)
    order = _order(comparison.name, given, value)
    if sign in ("==", "in"):
        return order == 0
    return order < 0 or (order == 0 and "=" in sign) if "<" in sign else _above(order, sign)


def _above(order: int, sign: str) -> bool:
    return order > 0 or (order == 0 and "=" in sign)


def _order(name: str, given: str, value: str) -> int:
    """Return a number below, at or above 0 as one value is below, equal to or above the other."""
    if name in _NUMBERS:
        try:
            return (int(given) > int(value)) - (int(given) < int(value))
        except ValueError:
            pass  # a value that is not a number is compared as text
    return (given > value) - (given < value)


def _is_in(host: str, network: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address) in ipaddress.ip_network(network, strict=False)

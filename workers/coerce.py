"""The coerce worker: sets, removes and fills in attributes of instances before they are kept.

It holds EVT_STORE_TRANSFORM, and is started and asked once the configuration names it:

    [archive]
    transform = ["coerce"]

    [[coerce.rules]]
    calling = ["CT*"]
    set = {InstitutionName = "Example"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue

from gateway.coercion_rules import compile_rules
from gateway.datasets.lenient_values import GOVERNED
from gateway.datasets.validation import disable_validation
from gateway.sdk import ConfigError, DatasetError, Worker, evt, status
from gateway.settings import CoerceRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

    from gateway.coercion_rules import CoercedElement, CompiledRule
    from gateway.sdk import Event

UTF_8 = "ISO_IR 192"
_PART_OF_A_CODEC = frozenset({"ISO_IR 6", "ISO_IR 13"})
"""Character sets of which Python's codec has more than they have."""
_UNKNOWN = "\ufffd"
_UNDECODED = frozenset({_UNKNOWN, "\x1b"})
"""What is in a text whose bytes are none in the character set of its data set."""

worker = Worker("coerce", concurrency=8)


class Coercer:
    """The handler of the coerce worker."""

    _rules: tuple[CompiledRule, ...] = ()

    def start(self) -> None:
        """Take the rules of the configuration; raises ConfigError."""
        disable_validation()
        table = worker.context.options.get("coerce", {})
        try:
            given = [CoerceRule(**rule) for rule in table.get("rules", ())]
        except TypeError as error:
            raise ConfigError(f"coerce.rules: {error}") from None
        self._rules = compile_rules(given)

    def transform(self, event: Event) -> Dataset | int:
        """Return the data set as the rules want it, or success if it is so already."""
        titles = event.calling_ae_title, event.called_ae_title
        rules = [rule for rule in self._rules if rule.holds_for(*titles)]
        if not rules:
            return status.SUCCESS
        dataset = event.dataset
        changes = [change for rule in rules for change in _apply(rule, dataset)]
        return dataset if any(changes) else status.SUCCESS


def _apply(rule: CompiledRule, dataset: Dataset) -> Iterator[bool]:
    """Apply a rule; yield for each attribute whether that has changed the data set."""
    for tag in rule.removed:
        yield dataset.pop(tag, None) is not None
    for element in rule.set:
        yield _assign(dataset, element)
    for element in rule.default:
        yield _is_empty(dataset, element.tag) and _assign(dataset, element)


def _is_empty(dataset: Dataset, tag: int) -> bool:
    return not any(_current(dataset, tag))


def _assign(dataset: Dataset, element: CoercedElement) -> bool:
    if _current(dataset, element.tag) == _texts(element.value):
        return False
    _make_encodable(dataset, "".join(_texts(element.value)))
    dataset[element.tag] = DataElement(element.tag, element.vr, element.value)
    return True


def _current(dataset: Dataset, tag: int) -> list[str]:
    """Return the values of an element as texts; empty if it is missing, or cannot be read."""
    if tag not in dataset:
        return []
    try:
        value = dataset[tag].value
    except Exception:  # whatever pydicom raises for a value that makes no sense
        return [_UNKNOWN]
    return [] if value is None else _texts(value)


def _texts(value: Any) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list | MultiValue) else [value])]


def _make_encodable(dataset: Dataset, text: str) -> None:
    """Give a data set the character set UTF-8 if its own does not have a text.

    Raises DatasetError if it has texts that its own does not have either.
    """
    named = dataset.get("SpecificCharacterSet") or ""
    if text.isascii() or named == UTF_8 or _has(named, text):
        return
    dataset.decode()
    for element in dataset.iterall():
        if element.VR in GOVERNED and not _UNDECODED.isdisjoint("".join(_texts(element.value))):
            raise DatasetError("a text is not in the Specific Character Set (0008,0005)")
    dataset.SpecificCharacterSet = UTF_8


def _has(named: Any, text: str) -> bool:
    """Return whether a text is in a character set without code extensions."""
    if not named or isinstance(named, MultiValue) or named in _PART_OF_A_CODEC:
        return False
    try:
        text.encode(convert_encodings(named)[0])
    except (LookupError, UnicodeError):
        return False
    return True


coercer = Coercer()
worker.on_start(coercer.start)
worker.bind(evt.EVT_STORE_TRANSFORM, coercer.transform, redeliver=True)

"""The coerce worker: sets, removes and fills in attributes of instances before they are kept.

It holds EVT_STORE_TRANSFORM, and is started and asked once the configuration names it:

    [archive]
    transform = ["coerce"]

    [[coerce.rules]]
    calling = ["CT*"]
    set = {InstitutionName = "Example", "RequestAttributesSequence[0].(0040,1001)" = "1"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.coercion_rules import check_coercion, compile_rules
from gateway.datasets.validation import disable_validation
from gateway.sdk import ConfigError, Worker, evt, status
from gateway.settings import CoerceRule, CoerceSettings
from workers.coerce.coerced_dataset import CoercedDataset
from workers.coerce.original_attributes import OriginalAttributes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from gateway.coercion_rules import CompiledRule
    from gateway.sdk import Event

worker = Worker("coerce", concurrency=8)


class Coercer:
    """The handler of the coerce worker."""

    _rules: tuple[CompiledRule, ...] = ()
    _is_noted = False
    """Whether instances note what they had before."""
    _system = ""

    def start(self) -> None:
        """Take the rules of the configuration; raises ConfigError."""
        disable_validation()
        table = dict(worker.context.options.get("coerce", {}))
        try:
            given = [CoerceRule(**rule) for rule in table.pop("rules", ())]
            settings = CoerceSettings(**table, rules=tuple(given))
        except TypeError as error:
            raise ConfigError(f"coerce.rules: {error}") from None
        check_coercion(settings)
        self._rules = compile_rules(settings.rules)
        self._is_noted = settings.original_attributes
        self._system = settings.modifying_system

    def transform(self, event: Event) -> Dataset | int:
        """Return the data set as the rules want it, or success if it is so already."""
        titles = event.calling_ae_title, event.called_ae_title
        rules = [rule for rule in self._rules if rule.holds_for(*titles)]
        if not rules:
            return status.SUCCESS
        dataset = event.dataset
        original = OriginalAttributes(dataset, titles, self._system)
        coerced = CoercedDataset(dataset, original.note if self._is_noted else _not_noted)
        for rule in rules:
            original.begin(rule)
            _apply(rule, coerced)
        return dataset if coerced.is_changed else status.SUCCESS


def _apply(rule: CompiledRule, coerced: CoercedDataset) -> None:
    for path in rule.removed:
        coerced.remove(path)
    for element in rule.set:
        coerced.assign(element)
    for element in rule.default:
        coerced.assign(element, if_empty=True)


def _not_noted(_tag: int, _received: object) -> None:
    """Note nothing."""


coercer = Coercer()
worker.on_start(coercer.start)
worker.bind(evt.EVT_STORE_TRANSFORM, coercer.transform, redeliver=True)

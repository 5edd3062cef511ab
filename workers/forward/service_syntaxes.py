"""The transfer syntax in which a DICOMweb service gets an instance, and the next one if it refuses.

A service is not asked beforehand what it takes: hardly any tells (PS3.18 8.9). So an instance is
sent in the best of its transfer syntaxes; after a refusal that may be about that - 415, or the
failure reason C122 (PS3.18 I.2.2) - in the next one. What an instance was refused in before it was
taken in another one, no further instance of its SOP class is sent in.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.datasets import UNCOMPRESSED
from gateway.datasets.conversion import convert
from gateway.datasets.syntaxes import usable_syntaxes
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN, name_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.datasets import Instance
    from gateway.transcoding import TranscodingFit

_NOT_OF_THE_WEB = frozenset(UNCOMPRESSED) - {EXPLICIT_VR_LITTLE_ENDIAN}
"""A service gets these only if an instance is stored so, or the configuration names them: PS3.18
8.7.3 excludes them, or no service has to know them."""


@dataclass(frozen=True, slots=True)
class FittedInstance:
    """An instance as it is sent, and what it may be sent as after that."""

    instance: Instance
    source: Instance
    """As it was handed over."""
    left: tuple[str, ...]
    """The transfer syntaxes that have not been tried, best first."""
    refused: tuple[str, ...] = ()

    def names(self) -> str:
        """Return the names of all transfer syntaxes in which it was sent."""
        tried = (*self.refused, self.instance.transfer_syntax_uid)
        return ", ".join(map(name_of, tried))


@dataclass(slots=True)
class ServiceSyntaxes:
    """The rules for one service, and what its answers have shown; safe for several threads."""

    fitting: TranscodingFit | None = None
    """Transcodes; None: it gets what is stored, converted between uncompressed ones at most."""
    _refused: dict[str, set[str]] = field(default_factory=dict)
    """Transfer syntaxes that are not taken, by SOP class."""
    _hopeless: set[tuple[str, str]] = field(default_factory=set)
    """SOP classes and transfer syntaxes of instances that were refused in all that are possible."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def first(self, instance: Instance) -> FittedInstance:
        """Return an instance as it is to be sent.

        Raises TranscodingError, and what `TranscodingFit.in_one_of` raises besides.
        """
        return self._fitted(FittedInstance(instance, instance, self._possible(instance)))

    def next(
        self, one: FittedInstance, taken: Collection[str] | None = None
    ) -> FittedInstance | None:
        """Return an instance that was refused as it may be sent next; None: there is no other way.

        `taken`: the transfer syntaxes that the service says it takes. Raises the same.
        """
        left = tuple(uid for uid in one.left if taken is None or uid in taken)
        refused = (*one.refused, one.instance.transfer_syntax_uid)
        if not left:
            with self._lock:
                self._hopeless.add(_kind(one.source))
            return None
        return self._fitted(FittedInstance(one.source, one.source, left, refused))

    def was_taken(self, one: FittedInstance) -> None:
        """Note that a service took an instance: what it refused before was the transfer syntax."""
        if not one.refused and not self._hopeless:
            return
        with self._lock:
            self._refused.setdefault(one.source.sop_class_uid, set()).update(one.refused)
            self._hopeless.discard(_kind(one.source))

    def _possible(self, instance: Instance) -> tuple[str, ...]:
        own, fitting = instance.transfer_syntax_uid, self.fitting
        named = (own, *(fitting.wanted if fitting is not None else ()))
        known = fitting.possible(own) if fitting is not None else usable_syntaxes(own)
        possible = tuple(uid for uid in known if uid in named or uid not in _NOT_OF_THE_WEB)
        with self._lock:
            refused = self._refused.get(instance.sop_class_uid, ())
            if _kind(instance) in self._hopeless:
                return possible[:1]
            return tuple(uid for uid in possible if uid not in refused) or possible[:1]

    def _fitted(self, one: FittedInstance) -> FittedInstance:
        made = self._in_one_of(one.source, one.left)
        at = one.left.index(made.transfer_syntax_uid)
        return FittedInstance(made, one.source, one.left[at + 1 :], one.refused)

    def _in_one_of(self, instance: Instance, syntaxes: tuple[str, ...]) -> Instance:
        if self.fitting is not None:
            made = self.fitting.in_one_of(instance, syntaxes)
            assert made is not None
            return made
        is_same = syntaxes[0] == instance.transfer_syntax_uid
        return instance if is_same else convert(instance, syntaxes[0])


def _kind(instance: Instance) -> tuple[str, str]:
    return instance.sop_class_uid, instance.transfer_syntax_uid

"""Instances made to fit the contexts that a peer accepted, transcoded where that is needed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.datasets import UNCOMPRESSED, NoContext, select_context
from gateway.datasets.conversion import convert
from gateway.datasets.errors import NotTranscodable
from gateway.transcoding.targets import LOSSY, Target, candidates, is_decoded
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from gateway.datasets import Instance
    from gateway.transcoding.transcoder import Transcoder
    from gateway.ul.negotiation import AcceptedContext


class TranscodingFit:
    """The rules for one destination: what it gets if it accepts several transfer syntaxes.

    `wanted` are transfer syntaxes, best first; without them an instance is sent as it is wherever
    that is accepted. `lossy` is what an image is compressed to with loss, before all others.
    """

    def __init__(
        self,
        transcoder: Transcoder,
        wanted: Iterable[str] = (),
        lossy: Target | None = None,
        longest: float | None = None,
    ) -> None:
        self._transcoder = transcoder
        first = (lossy.transfer_syntax,) if lossy is not None else ()
        self.wanted = (*first, *(one for one in wanted if one not in LOSSY))
        """Transfer syntaxes that come before that of the instance, best first."""
        self._lossy = lossy
        self._longest = longest

    def offered(self, transfer_syntax: str) -> tuple[str, ...]:
        """Return the transfer syntaxes to propose beside that of an instance."""
        if not is_decoded(transfer_syntax):
            return ()
        known = (*self.wanted, EXPLICIT_VR_LITTLE_ENDIAN)
        return tuple(one for one in dict.fromkeys(known) if one != transfer_syntax)

    def syntax_for(
        self, contexts: Collection[AcceptedContext], sop_class: str, own: str
    ) -> str | None:
        """Return the transfer syntax to send in; None if the peer accepts none that is possible."""
        try:
            return select_context(contexts, sop_class, candidates(own, self.wanted)).transfer_syntax
        except NoContext:
            return None

    def fit(
        self, instance: Instance, contexts: Collection[AcceptedContext]
    ) -> tuple[AcceptedContext, Instance]:
        """Return the context to send an instance on, and the instance in its transfer syntax.

        Raises NoContext, TranscodingError, and what `Transcoder.transcode` raises.
        """
        possible = self.possible(instance.transfer_syntax_uid)
        found: dict[str, AcceptedContext] = {}

        def accepted() -> Iterator[str]:
            for syntax in possible:
                with suppress(NoContext):
                    found[syntax] = select_context(contexts, instance.sop_class_uid, (syntax,))
                if syntax in found:
                    yield syntax

        fitted = self.in_one_of(instance, accepted())
        if fitted is None:
            return select_context(contexts, instance.sop_class_uid, possible), instance
        return found[fitted.transfer_syntax_uid], fitted

    def possible(self, own: str) -> tuple[str, ...]:
        """Return the transfer syntaxes that an instance may be sent in, best first."""
        return candidates(own, self.wanted)

    def in_one_of(self, instance: Instance, syntaxes: Iterable[str]) -> Instance | None:
        """Return an instance in the first of these transfer syntaxes that it has a form in.

        None if there are no transfer syntaxes. Raises NotTranscodable if it has a form in none of
        them, TranscodingError, and what `Transcoder.transcode` raises.
        """
        why = None
        for syntax in syntaxes:
            try:
                return self._in(instance, syntax)
            except NotTranscodable as error:
                why = why or error
        if why is not None:
            raise why
        return None

    def _in(self, instance: Instance, syntax: str) -> Instance:
        own = instance.transfer_syntax_uid
        if syntax == own:
            return instance
        if own in UNCOMPRESSED and syntax in UNCOMPRESSED:
            return convert(instance, syntax)
        lossy = self._lossy
        target = lossy if lossy and lossy.transfer_syntax == syntax else Target(syntax)
        return self._transcoder.transcode(instance, target, self._longest)

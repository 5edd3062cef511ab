"""Rendered resources of WADO-RS: pictures of instances and frames (PS3.18 10.4.1.1.3)."""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response

from workers.dicomweb import media, pixel_frames
from workers.dicomweb.archive_reader import NotHere, Obtainable
from workers.dicomweb.guard import HttpError, ResponseCut, log
from workers.dicomweb.parts import Part, multipart, once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from starlette.requests import Request

    from workers.dicomweb.archive_reader import ArchiveReader
    from workers.dicomweb.readable_instance import ReadableInstance

RENDERING = ("window", "viewport", "quality")
"""What a query may ask of a picture (PS3.18 Table 8.3.5-1)."""
_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
"""The functions of a window (PS3.18 8.3.5.1.4), and what PS3.3 calls them."""


class Pictures:
    """The rendered resources of the archive."""

    def __init__(self, archive: ArchiveReader) -> None:
        self._archive = archive

    async def rendered(self, request: Request, base: str) -> Response:  # noqa: ARG002
        """Return pictures: of frames, or of the first frame of each instance of a path.

        Several ones, or one that is asked for so, are the parts of a multipart body.
        """
        chosen = media.choose(request, pixel_frames.RENDERED)
        window, uids = _window(request, None), dict(request.path_params)
        some = Obtainable([], [])
        if "instance" not in uids:
            some = await run_in_threadpool(self._known, uids)
            pictures = self._of_instances(some, window, chosen.name)
        else:
            pictures = await run_in_threadpool(self._of_frames, uids, window, chosen.name)
        first = await run_in_threadpool(next, pictures, None)
        if first is None:
            raise _no_image(some)
        if "instance" in uids and not chosen.is_multipart and "," not in uids.get("frames", ""):
            return Response(first, media_type=chosen.name)
        return some.mark(multipart(_parts(first, pictures, chosen.name), chosen.name))

    async def thumbnail(self, request: Request, base: str) -> Response:  # noqa: ARG002
        """Return a small picture of an instance, or of the first image of a series or study."""
        chosen = media.choose(request, pixel_frames.RENDERED)
        window, uids = _window(request, pixel_frames.THUMBNAIL), dict(request.path_params)
        body = await run_in_threadpool(self._small, uids, window, chosen.name)
        return Response(body, media_type=chosen.name)

    def _small(self, uids: dict[str, str], window: pixel_frames.Window, kind: str) -> bytes:
        if "instance" in uids:
            return next(self._of_frames(uids, window, kind))
        some = self._known(uids)
        instance, data_set = next(self._images(some), (None, None))
        if instance is None:
            raise _no_image(some)
        return pixel_frames.render(instance, data_set, 0, window, kind)

    def _of_frames(
        self, uids: dict[str, str], window: pixel_frames.Window, kind: str
    ) -> Iterator[bytes]:
        """Yield the frames that a path names, or the first one; raises HttpError at once."""
        instance, data_set = self._archive.read(uids)
        indices = pixel_frames.check_numbers(uids.get("frames", "1"), data_set)
        return (
            pixel_frames.render(instance, data_set, one, window, kind)
            for one in dict.fromkeys(indices)
        )

    def _of_instances(
        self, some: Obtainable, window: pixel_frames.Window, kind: str
    ) -> Iterator[bytes]:
        for instance, data_set in self._images(some):
            try:
                yield pixel_frames.render(instance, data_set, 0, window, kind)
            except HttpError as error:
                log.warning("a picture was left out of a response: %s", error)

    def _known(self, uids: dict[str, str]) -> Obtainable:
        """Return which instances of a path can be had; raises HttpError without any."""
        some = self._archive.known(self._archive.found(uids))
        some.check()
        return some

    def _images(self, some: Obtainable) -> Iterator[tuple[ReadableInstance, Any]]:
        """Yield the instances that are images. Those that turn out to be missing are noted there.

        Raises ResponseCut if one is missing after the first image: the response has begun.
        """
        is_begun = False
        for entry in tuple(some.entries):
            try:
                instance = self._archive.readable(entry)
                data_set = pixel_frames.read(instance)
            except (NotHere, HttpError) as error:
                if error.is_absence and is_begun:
                    raise ResponseCut(str(error)) from None
                if error.is_absence:
                    some.entries.remove(entry)
                    some.missing.append(error.response())
                log.warning("an image was left out of a response: %s", error)
                continue
            if "PixelData" in data_set:
                is_begun = True
                yield instance, data_set


def _no_image(some: Obtainable) -> HttpError:
    """Return why there is no picture: nothing can be had, or there is no image."""
    if some.missing:
        return some.why()
    return HttpError(404, "there is no image among these instances")


async def _parts(first: bytes, others: Iterator[bytes], kind: str) -> AsyncIterator[Part]:
    headers = {"Content-Type": kind}
    yield Part(headers, once(first))
    async for one in iterate_in_threadpool(others):
        yield Part(headers, once(one))


def _window(request: Request, size: tuple[int, int] | None) -> pixel_frames.Window:
    """Return what the query asks of a picture; raises HttpError 400 (PS3.18 8.3.5.1)."""
    query = request.query_params
    try:
        center, width, function, region = None, 0.0, "LINEAR", _region(())
        if text := query.get("window"):
            parts = text.split(",")
            center, width = float(parts[0]), float(parts[1])
            function = _FUNCTIONS[(parts[2] or "linear").lower() if len(parts) > 2 else "linear"]
            if len(parts) > 3 or not (isfinite(center) and 0 < width < inf):
                raise ValueError(text)
        if text := query.get("viewport"):
            across, down, *rest = text.split(",")
            size, region = (int(across), int(down)), _region(rest)
            if min(size) < 1 or max(size) > 16_384:
                raise ValueError(text)
        quality = int(query.get("quality", "90"))
        if not 1 <= quality <= 100:
            raise ValueError(quality)
    except (ValueError, LookupError):
        text = (
            "window=CENTER,WIDTH[,FUNCTION], viewport=WIDTH,HEIGHT[,LEFT,TOP[,WIDTH,HEIGHT]] and "
            "quality=1..100"
        )
        raise HttpError(400, f"what is asked of the picture is not valid: {text}") from None
    return pixel_frames.Window(center, width, function, size, region, quality)


def _region(texts: Sequence[str]) -> tuple[float, float, float | None, float | None]:
    """Return the region of a viewport; an empty value is its default. Raises ValueError."""
    if len(texts) > 4:
        raise ValueError(texts)
    left, top, across, down = (
        float(text) if text.strip() else None for text in (*texts, *[""] * (4 - len(texts)))
    )
    if not all(isfinite(one) for one in (left or 0, top or 0, across or 1, down or 1)):
        raise ValueError(texts)
    if across == 0 or down == 0:
        raise ValueError(texts)
    return left or 0.0, top or 0.0, across, down

"""The errors of data sets that cannot be read, converted or sent."""

from __future__ import annotations

from gateway.errors import GatewayError


class DatasetError(GatewayError, ValueError):
    """A data set does not follow its transfer syntax, cannot be encoded, or is too large."""


class TranscodingError(DatasetError):
    """Pixel data cannot be had in another transfer syntax; the text says why."""


class NotTranscodable(TranscodingError):  # noqa: N818 - a state, not only an error
    """An instance has no form in the transfer syntax; it may have one in another."""


class NoContext(GatewayError, ValueError):  # noqa: N818 - a state, not only an error
    """No accepted presentation context fits; the text names what was looked for."""


class NotDicom(GatewayError):  # noqa: N818 - a state, not only an error
    """A file that cannot be sent; the text says why."""

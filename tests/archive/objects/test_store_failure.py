"""What an operator reads when the store refuses."""

from __future__ import annotations

import pytest

from gateway.errors import ConfigError
from workers.archive.objects.object_place import ObjectPlace
from workers.archive.objects.store_failure import StoreFailure, failure_of, refusal_of

PLACE = ObjectPlace("images", "ct", "ONE", "https://s3.example", "us-east-1", "AKIA1", "secret")


class PermissionDeniedError(Exception):
    """As obstore calls it."""


class GenericError(Exception):
    """As obstore calls it."""


def s3(code: str, kind: type[Exception] = GenericError) -> Exception:
    return kind(
        f"Generic S3 error: Server returned non-2xx status code: 403 Forbidden: <?xml?><Error>"
        f"<Code>{code}</Code><Message>no</Message></Error>\n\nDebug source:\nGeneric {{ }}"
    )


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (s3("NoSuchBucket"), "there is no bucket images at https://s3.example: create"),
        (s3("InvalidAccessKeyId"), "does not accept the key AKIA1: set AWS_ACCESS_KEY_ID"),
        (s3("SignatureDoesNotMatch"), "does not accept the key AKIA1"),
        (s3("AccessDenied"), "AKIA1 may not write to s3://images/ct: allow it s3:GetObject"),
        (PermissionDeniedError("no body"), "AKIA1 may not write to s3://images/ct"),
        (s3("RequestTimeTooSkewed"), "this host's clock differs too much from that of the store"),
        (s3("AuthorizationHeaderMalformed"), "images is not in us-east-1: set its region"),
    ],
)
def test_what_only_the_operator_can_change(error: Exception, text: str) -> None:
    refusal = refusal_of(error, PLACE)
    assert isinstance(refusal, ConfigError)
    assert text in str(refusal)
    assert "secret" not in str(refusal)
    failure = failure_of(error, PLACE, "read a")
    assert text in str(failure)
    assert not failure.is_outage


def test_what_may_be_over_soon() -> None:
    error = GenericError("Generic S3 error: error sending request\n\nDebug source:\nX")
    refusal = refusal_of(error, PLACE)
    assert isinstance(refusal, StoreFailure)
    assert refusal.is_outage
    assert str(refusal) == (
        "archive.store: s3://images/ct at https://s3.example is out of reach: error sending request"
    )
    failure = failure_of(s3("SlowDown"), PLACE, "read a")
    assert failure.is_outage
    assert str(failure).startswith("the object store s3://images/ct: cannot read a: ")

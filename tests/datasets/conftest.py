"""The data set that the SDK's tests use."""

from tests.sdk.conftest import instance as instance

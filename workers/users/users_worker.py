"""Verifies the user identity of peers: username, username with passcode, JSON web token.

Options: `file` (of `dicom-gateway users`), `names_suffice` (a username without passcode is enough
if the file has it), `jwks` (a JSON Web Key Set), `audience`, `issuer`. What is not verified here
is refused; Kerberos and SAML are not known.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.sdk import ConfigError, Worker, evt
from workers.archive.worker_options import options_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gateway.sdk import Event
    from workers.users.tokens import WebTokens
    from workers.users.user_file import UserFile

log = logging.getLogger("workers.users")

worker = Worker("users", concurrency=4)

USERNAME, PASSCODE, TOKEN = 1, 2, 5
EXTRA = "pip install 'dicom-gateway[users]'"


@dataclass(frozen=True, slots=True)
class UsersOptions:
    """The options of `[workers.users]`."""

    file: str = ""
    """The file of users; empty: `users` in the data directory."""
    names_suffice: bool = False
    """A username without passcode is enough."""
    jwks: str = ""
    """JSON Web Key Set with the public keys of tokens; empty: no token is valid."""
    audience: str = ""
    issuer: str = ""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> UsersOptions:
        """Return the options of the table; raises ConfigError for one that is wrong."""
        return options_of(cls, options, "users")


def check_options(options: Mapping[str, Any], _destinations: Collection[str]) -> None:
    """Raise ConfigError for an option that is wrong."""
    UsersOptions.of(options)


class Users:
    """The state of the worker from its start on."""

    def __init__(self) -> None:
        self._options = UsersOptions()
        self._file: UserFile | None = None
        self._tokens: WebTokens | None = None

    def start(self) -> None:
        """Read the files; raises ConfigError if one is wrong."""
        options = self._options = UsersOptions.of(worker.context.options)
        try:
            from workers.users.user_file import FILE, UserFile

            assert worker.context.data_dir is not None
            place = Path(options.file) if options.file else worker.context.data_dir / FILE
            self._file = UserFile(place)
            if not self._file.names() and not options.jwks:
                log.warning("path=%s has no user yet: `dicom-gateway users add NAME`", place)
            if options.jwks:
                from workers.users.tokens import WebTokens

                self._tokens = WebTokens(Path(options.jwks), options.audience, options.issuer)
        except ModuleNotFoundError as error:
            raise ConfigError(f"the worker users needs {error.name}: {EXTRA}") from None

    def verify(self, event: Event) -> tuple[bool, None]:
        """Return whether the identity is right; the log says whose it is not, never a secret."""
        told: Any = event
        kind, primary = int(told.user_id_type), _text(told.primary_field)
        is_right = primary is not None and self._is_right(kind, primary, told.secondary_field)
        if not is_right:
            name = repr(primary) if kind in (USERNAME, PASSCODE) else "-"
            log.warning("association=%s type=%d user=%s not verified", told.assoc.id, kind, name)
        return is_right, None

    def _is_right(self, kind: int, primary: str, secondary: bytes | None) -> bool:
        assert self._file is not None
        if kind == USERNAME:
            return self._options.names_suffice and primary in self._file.names()
        if kind == PASSCODE:
            passcode = _text(secondary or b"")
            return bool(passcode) and self._file.is_right(primary, passcode or "")
        if kind == TOKEN and self._tokens is not None:
            return self._tokens.subject_of(primary) is not None
        return False


def _text(field: bytes | None) -> str | None:
    """Return a field as text (UTF-8, PS3.7 D.3.3.7.1); None if it is none."""
    try:
        return (field or b"").decode()
    except UnicodeDecodeError:
        return None


users = Users()
worker.on_start(users.start)
worker.bind(evt.EVT_USER_ID, users.verify)

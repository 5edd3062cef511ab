"""JSON web tokens as user identity (type 5), verified with the public keys of a JWKS file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gateway.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from jwt import PyJWK

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Those with a public key: a token signed with a shared secret, or not at all, is never valid."""


class WebTokens:
    """Verifies tokens; `audience` and `issuer` must be those of the token unless they are empty."""

    def __init__(self, file: Path, audience: str = "", issuer: str = "") -> None:
        self._file = file
        self._audience, self._issuer = audience, issuer
        self._keys: dict[str, PyJWK] = {}
        self._seen = -1
        self._read()

    def subject_of(self, token: str) -> str | None:
        """Return whose token it is, None if it is not valid: `sub`, or an empty text without."""
        import jwt

        self._read()
        try:
            key = self._keys[str(jwt.get_unverified_header(token).get("kid", ""))]
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm_name],
                audience=self._audience or None,
                issuer=self._issuer or None,
                options={"require": ["exp"], "verify_aud": bool(self._audience)},
            )
        except (jwt.PyJWTError, KeyError, ValueError):
            return None
        return str(claims.get("sub", ""))

    def _read(self) -> None:
        """Read the keys if the file has changed; raises ConfigError."""
        import jwt

        try:
            seen = self._file.stat().st_mtime_ns
            if seen == self._seen:
                return
            listed = json.loads(self._file.read_text())["keys"]
            keys = {str(one.get("kid", "")): jwt.PyJWK(one) for one in listed}
        except OSError as error:
            raise ConfigError(f"users: cannot read {self._file}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
            raise ConfigError(f"users: {self._file} is no JSON Web Key Set: {error}") from None
        weak = [kid for kid, key in keys.items() if key.algorithm_name not in ALGORITHMS]
        if weak:
            raise ConfigError(
                f"users: {self._file}: key {weak[0]!r} is for {keys[weak[0]].algorithm_name}: "
                f"name a key for one of {', '.join(ALGORITHMS)}"
            )
        self._keys, self._seen = keys, seen

"""What is wrong with a TLS file or a TLS connection, in words that say what to change."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

_CERTIFICATE = re.compile(rb"-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----")
_SEALED = re.compile(
    rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED", re.MULTILINE
)

NOT_TLS = "the other side does not speak TLS"

_FAILED = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": (
        "the peer has shown no certificate, and tls.ca demands one of that authority: install one "
        "at the peer"
    ),
    "UNSUPPORTED_PROTOCOL": "the peer offers no version of TLS from 1.2 on: update the peer",
    "NO_PROTOCOLS_AVAILABLE": "the peer offers no version of TLS from 1.2 on: update the peer",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the peer refuses TLS 1.2 and later: update the peer",
    "NO_SHARED_CIPHER": (
        "the peer offers no cipher suite of the profile: see tls.profile, or update the peer"
    ),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "the peer found no common cipher suite, or demands a certificate: see the peer's settings"
    ),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the peer demands a certificate, and none was shown to it",
    "WRONG_VERSION_NUMBER": NOT_TLS,
    "HTTP_REQUEST": "the other side speaks HTTP",
    "RECORD_LAYER_FAILURE": NOT_TLS,
    "PACKET_LENGTH_TOO_LONG": NOT_TLS,
    "TLSV1_ALERT_UNKNOWN_CA": (
        "the peer does not know the authority of our certificate: give it that authority's"
    ),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the peer says that our certificate has expired: renew it",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the peer does not accept our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer does not accept our certificate",
    "UNEXPECTED_EOF_WHILE_READING": "the peer closed the connection during the TLS handshake",
}


def explain_handshake(error: OSError) -> str:
    """Return why a TLS handshake failed; the reason of OpenSSL stands in parentheses."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = error.verify_message.rstrip(".")
        return f"the peer's certificate is not valid: {text} ({error.reason})"
    if isinstance(error, ssl.SSLError):
        words = _FAILED.get(error.reason or "")
        return f"{words} ({error.reason})" if words else str(error.reason or error)
    if isinstance(error, ConnectionResetError):
        return "the peer closed the connection during the TLS handshake"
    return error.strerror or str(error)


def wrong_file(certificate: str, key: str, ca: str, error: OSError) -> str:
    """Return which of the files cannot be used, and why."""
    for what, path, pattern in (
        ("certificate", certificate, _CERTIFICATE),
        ("key", key or certificate, _KEY),
        ("authority's certificate", ca, _CERTIFICATE),
    ):
        if path and (text := _wrong(what, path, pattern)):
            return text
    reason = getattr(error, "reason", None) or error.strerror or error
    if reason == "KEY_VALUES_MISMATCH":
        return f"TLS key {key or certificate}: it does not belong to the certificate {certificate}"
    names = ", ".join(path for path in (certificate, key, ca) if path)
    return f"cannot load TLS certificate or key from {names}: {reason}"


def _wrong(what: str, path: str, pattern: re.Pattern[bytes]) -> str:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        return f"TLS {what} {path}: {error.strerror}"
    if what == "key" and _SEALED.search(content):
        return f"TLS key {path}: it is encrypted: store it without a passphrase, readable for few"
    if not pattern.search(content):
        return f"TLS {what} {path}: the file has none in PEM format"
    return ""

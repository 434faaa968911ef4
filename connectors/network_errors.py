"""What it means that a request brought no answer, in the errors of urllib3, or of what wraps them.

The text of those errors is not passed on: it can hold a signed address.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import date
from http.client import HTTPException

from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError

from connectors.errors import Fatal, Transient, Unreachable

_NOT_YET_VALID, _EXPIRED = 9, 10  # OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED
_NO_CONNECTION = (NewConnectionError, ConnectTimeoutError)  # no such host, no network, nobody there


def network_error(error: BaseException, who: str) -> Fatal | Transient:
    """The error to raise; ``who`` was asked."""
    fatal, away = untrusted(error, who), unreachable(error, who)
    return (
        fatal
        or away
        or Transient(
            f"the connection to {who} failed ({type(error).__name__})",
            hint="Check the network connection.",
        )
    )


def untrusted(error: BaseException, who: str) -> Fatal | None:
    """What to say when the cause is a certificate that is not trusted here; None if it is not.

    Waiting does not help, so nothing of it is Transient.
    """
    for known in _parts(error):
        if not isinstance(known, ssl.SSLCertVerificationError):
            continue
        if known.verify_code in {_NOT_YET_VALID, _EXPIRED}:
            wrong = "is not valid yet" if known.verify_code == _NOT_YET_VALID else "has expired"
            return Fatal(
                f"by this computer's clock ({date.today():%d %B %Y}) "
                f"the certificate of {who} {wrong}",
                hint="Correct this computer's date and time, then run again.",
            )
        return Fatal(
            f"the certificate of {who} is not trusted here ({known.verify_message})",
            hint="Where a proxy or virus scanner looks into connections, name its certificate in "
            "REQUESTS_CA_BUNDLE; otherwise try another network.",
        )
    return None


def unreachable(error: BaseException, who: str) -> Unreachable | None:
    """What it means that not even a connection could be made; None where one was."""
    for part in _parts(error):
        if isinstance(part, ProxyError) and _no_way_through(part):
            return Unreachable(
                f"{who} cannot be reached through the proxy",
                hint="Check HTTPS_PROXY and NO_PROXY.",
            )
        if isinstance(part, _NO_CONNECTION):
            return Unreachable(f"{who} cannot be reached", hint="Check the network connection.")
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all it came from, outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _parts(error: BaseException) -> Iterator[object]:
    """All of it: urllib3 keeps the real one only as an argument or the reason of its own."""
    for cause in causes(error):
        yield from (cause, *cause.args, getattr(cause, "reason", None))


def _no_way_through(error: ProxyError) -> bool:
    """urllib3 says ProxyError too where a connection stood and then ended before the answer: by
    then it has forgotten that it ever was through (``HTTPConnection.close`` resets that)."""
    inner = error.original_error
    if isinstance(inner, ConnectionRefusedError):
        return True
    return not isinstance(inner, (ConnectionError, HTTPException))

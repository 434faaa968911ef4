"""What urllib3 means by a failure of the proxy."""

from __future__ import annotations

from http.client import HTTPException

from urllib3.exceptions import ProxyError


def refused(error: ProxyError) -> bool:
    """Whether there is no way through the proxy.

    urllib3 says ProxyError too where a connection stood and then ended before the answer: by
    then it has forgotten that it ever was through (``HTTPConnection.close`` resets that).
    """
    inner = error.original_error
    if isinstance(inner, ConnectionRefusedError):
        return True
    return not isinstance(inner, (ConnectionError, HTTPException))

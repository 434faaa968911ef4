"""The SDK's client, made to do one attempt and to say in our words what went wrong.

Left to itself the SDK repeats a 429 for ever, sleeps through 5xx answers and drops their
Retry-After; all of that is the engine's. Its way to renew an access token is kept, once for
all threads. Only an ``ApiError``, which holds a route's own union, reaches the caller.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import requests
from dropbox import Dropbox
from dropbox.exceptions import ApiError, AuthError, BadInputError, HttpError, PathRootError
from dropbox.session import HOST_API, HOST_CONTENT, HOST_NOTIFY
from stone.backends.python_rsrc.stone_validators import ValidationError

from connectors.dropbox.auth import Grant
from connectors.dropbox.errors import (
    RECONNECT,
    Forbidden,
    NoRoute,
    UsedUp,
    forbidden,
    lacks,
    root_refused,
    sign_in_refused,
    tag_of,
    throttled,
)
from connectors.dropbox.network import TIMEOUT, session
from connectors.dropbox.settings import DropboxSettings
from connectors.errors import Misconfigured, SessionExpired, Transient
from connectors.headers import retry_after
from connectors.network_errors import network_error

_EARLY = 300.0  # seconds before its end that an access token is renewed
_SCOPE = re.compile(r"required scope '([\w.]+)'")
_UNINTELLIGIBLE = (AssertionError, ValueError, KeyError, ValidationError)


class Client(Dropbox):  # type: ignore[misc]  # the SDK is not typed
    """One for all threads. Use its methods inside ``speaking``."""

    def __init__(self, settings: DropboxSettings, grant: Grant, connections: int) -> None:
        self._ours: dict[str, str] = {}
        super().__init__(
            headers=self._ours,
            oauth2_refresh_token=grant.refresh_token,
            app_key=grant.app_key,
            max_retries_on_error=0,
            max_retries_on_rate_limit=0,
            session=session(connections),
            user_agent="Outpour",
            timeout=TIMEOUT,
            auto_content_hash=False,  # we send hashes made in the one pass over the bytes
        )
        # The SDK takes hosts only from the environment, when it is imported.
        self._host_map = {
            HOST_API: settings.api_host,
            HOST_CONTENT: settings.content_host,
            HOST_NOTIFY: settings.api_host,
        }
        self._renewing = threading.Lock()
        self._fresh_until = 0.0
        self._used = threading.local()

    def __repr__(self) -> str:
        return f"Client({self._host_map[HOST_API]!r})"

    def always(self, header: str, value: str) -> None:
        """Send a header with every request from now on. Not while others use the client."""
        self._ours[header] = value

    # --- access tokens, in place of the SDK's own way, which lets every thread renew ------

    def check_and_refresh_access_token(self) -> None:
        """Before every request: have an access token that should be good."""
        if time.monotonic() >= self._fresh_until:
            with self._renewing:
                if time.monotonic() >= self._fresh_until:
                    self._renew()
        self._used.token = self._oauth2_access_token

    def refresh_access_token(self, host: Any = None, scope: Any = None) -> None:  # noqa: ARG002
        """When a request was refused: a new token, unless another thread already got one."""
        with self._renewing:
            if self._oauth2_access_token == self._used.token:
                self._renew()
        self._used.token = self._oauth2_access_token

    def _renew(self) -> None:
        try:
            super().refresh_access_token(self._host_map[HOST_API])
        except BadInputError as error:
            raise Misconfigured(
                f"Dropbox does not accept the app {self._app_key}: {short(error.message)}",
                hint=f"check the app in the console, then {RECONNECT}",
            ) from error
        ends = self._oauth2_access_token_expiration
        lifetime = (ends - datetime.now(UTC).replace(tzinfo=None)).total_seconds()
        self._fresh_until = time.monotonic() + max(lifetime - _EARLY, lifetime / 2)

    # --- answers -------------------------------------------------------------------------

    def raise_dropbox_error_for_resp(self, res: requests.Response) -> None:
        """Read what the SDK would lose or stumble over, and leave the rest to it."""
        if res.status_code == 429:
            raise throttled(res.headers, _json(res))
        if res.status_code >= 500:
            raise Transient(
                f"Dropbox failed (HTTP {res.status_code})", retry_after=retry_after(res.headers)
            )
        if res.status_code == 403:
            raise forbidden(_json(res), uploading="/files/upload" in str(res.request.url))
        if res.status_code in (404, 413, 431):
            raise NoRoute(f"Dropbox takes no such request (HTTP {res.status_code})")
        if res.status_code == 401 and not isinstance(_json(res), dict):
            raise SessionExpired("Dropbox does not know the sign-in", hint=RECONNECT)
        super().raise_dropbox_error_for_resp(res)


@contextmanager
def speaking(doing: str, *, optional: bool = False) -> Iterator[None]:
    """Turns whatever the SDK raises into the contract's errors, ApiError excepted.

    ``doing`` completes "Dropbox's answer to ...". What is ``optional`` may not be open to the
    app: NoRoute.
    """
    try:
        yield
    except ApiError:
        raise
    except AuthError as error:
        if optional and tag_of(error.error) == "route_access_denied":
            raise NoRoute(f"Dropbox does not open {doing} of that kind to the app") from error
        raise sign_in_refused(error.error) from error
    except (Forbidden, UsedUp) as error:
        if optional:
            raise NoRoute(f"Dropbox does not open {doing} of that kind to the account") from error
        raise
    except BadInputError as error:
        scope = _SCOPE.search(str(error.message))  # one that was taken from the app
        if scope:
            raise lacks(scope[1]) from error
        raise NoRoute(f"Dropbox refused {doing}: {short(error.message)}") from error
    except PathRootError as error:
        raise root_refused(error.error) from error
    except HttpError as error:
        raise Transient(f"Dropbox refused {doing} (HTTP {error.status_code})") from error
    except requests.exceptions.InvalidJSONError as error:
        raise Transient(f"Dropbox's answer to {doing} makes no sense") from error
    except (requests.RequestException, OSError) as error:
        raise network_error(error, "Dropbox") from error
    except _UNINTELLIGIBLE as error:
        raise Transient(f"Dropbox's answer to {doing} makes no sense") from error


def short(text: Any) -> str:
    """The first line of a refusal, of bearable length."""
    return str(text).strip().partition("\n")[0][:200]


def _json(res: requests.Response) -> Any:
    try:
        return res.json()
    except ValueError:
        return None

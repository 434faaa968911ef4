"""The signed-in session: pyicloud's, kept privately, shared by many threads.

pyicloud rewrites its two session files on every request, in place and readable by others;
a crash at the wrong moment would cost the sign-in. Here they are written whole (a new file
renamed over the old one, 0600, in a 0700 folder) and only when they changed. Apple renews
one cookie with every answer, the older ones stay good, so changes that come from anything
but signing in are written at most every few seconds, and at the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import requests
from pyicloud import PyiCloudService
from pyicloud.exceptions import (
    PyiCloud2FARequiredException,
    PyiCloudAPIResponseException,
    PyiCloudConnectionException,
    PyiCloudFailedLoginException,
)
from pyicloud.session import NON_PERSISTED_SESSION_KEYS, PyiCloudSession

from connectors.adapter import Adapter
from connectors.certificates import ca_bundle
from connectors.errors import Throttled
from connectors.headers import retry_after
from connectors.icloud.logs import keep_logs_clean
from connectors.icloud.second_factor import SecondFactor
from connectors.icloud.signin_errors import by_apple, elsewhere, offers_more, turned_away
from connectors.pools import CONNECT_TIMEOUT
from connectors.private import private_dir, state_dir, write_private

CONNECTIONS = 32  # for each host: more than any engine opens at once
_READ_TIMEOUT = 60.0
_LULL = 5.0  # seconds between writes of cookies that Apple merely renewed
_BUSY = {429, 502, 503, 504}
_OF_SESSION = {".session", ".cookiejar"}  # as pyicloud names its files


def folder(account: str) -> Path:
    """The private folder of one account's session."""
    name = re.sub(r"[^a-z0-9]+", "_", account.lower()).strip("_")[:40]
    short = hashlib.sha256(account.lower().encode()).hexdigest()[:8]
    return state_dir("icloud", f"{name}-{short}")


def known_accounts() -> list[str]:
    """Accounts connected on this computer, sorted."""
    found = set()
    for card in state_dir("icloud").glob("*/account.json"):
        try:
            found.add(str(json.loads(card.read_bytes())["account"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found)


def remember_account(account: str) -> None:
    """Make the account one of ``known_accounts``."""
    write_private(folder(account) / "account.json", json.dumps({"account": account}).encode())


def is_connected(account: str) -> bool:
    """Whether anything of a sign-in is kept for the account."""
    return any(_of_session(account))


def forget_account(account: str) -> None:
    """Remove the account's session, and all that makes it one of ``known_accounts``."""
    for kept in _of_session(account):
        if kept.is_dir():
            shutil.rmtree(kept)
        else:
            kept.unlink(missing_ok=True)


def _of_session(account: str) -> Iterator[Path]:
    kept = list(folder(account).iterdir())
    return (one for one in kept if one.suffix in _OF_SESSION or one.name == "account.json")


class PrivateSession(PyiCloudSession):  # type: ignore[misc]  # pyicloud ships no types
    """pyicloud's session with atomic private files, timeouts, and threads allowed.

    ``busy`` is the last answer that asked to come back later, so that an overloaded Apple is
    not mistaken for a refused sign-in.
    """

    def __init__(self, service: PyiCloudService, **kwargs: Any) -> None:
        self._files = threading.Lock()
        self._written: dict[Path, bytes] = {}
        self._due = 0.0
        self._retired = False
        self.busy: Throttled | None = None
        super().__init__(service, **kwargs)
        self.verify = ca_bundle()
        self.mount("https://", Adapter(CONNECTIONS))
        for name in (self.session_path, self.cookiejar_path):
            path = Path(name)
            if path.exists():
                path.chmod(0o600)
                self._written[path] = path.read_bytes()

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        # Merging the jar iterates over it, which another thread's answer would break; this
        # lock is the one the jar itself takes to store cookies.
        with self.cookies._cookies_lock:
            return cast(requests.PreparedRequest, super().prepare_request(request))

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = kwargs.get("timeout") or (CONNECT_TIMEOUT, _READ_TIMEOUT)
        response = cast(requests.Response, super().send(request, **kwargs))
        if response.status_code in _BUSY:
            self.busy = Throttled(
                f"iCloud answered {response.status_code}",
                retry_after=retry_after(response.headers),
            )
        return response

    def retire(self) -> None:
        """Write no more."""
        with self._files:
            self._retired = True

    def flush(self) -> None:
        """Write what has changed, now."""
        with self._files:
            if self._retired:
                return
            self._due = time.monotonic() + _LULL
            for path, data in ((Path(self.session_path), self._state()), self._jar()):
                if data != self._written.get(path):
                    private_dir(path.parent)
                    write_private(path, data)
                    self._written[path] = data

    def _save_session_data(self) -> None:  # pyicloud calls this after every answer
        signing_in = self._state() != self._written.get(Path(self.session_path))
        if signing_in or time.monotonic() >= self._due:
            self.flush()

    def _state(self) -> bytes:
        kept = {k: v for k, v in dict(self.data).items() if k not in NON_PERSISTED_SESSION_KEYS}
        return json.dumps(kept, sort_keys=True).encode()

    def _jar(self) -> tuple[Path, bytes]:
        with self.cookies._cookies_lock:
            text = self.cookies.as_lwp_str(ignore_discard=True, ignore_expires=False)
        return Path(self.cookiejar_path), f"#LWP-Cookies-2.0\n{text}".encode()


class Api(SecondFactor):
    """pyicloud with our session.

    ``by_password`` says that the last ``authenticate`` needed the password, beyond what is
    saved. ``before_password`` is given it first, and raises what is to keep it from being tried.
    ``own_zone`` is the name that Apple has answered to for the person's own library, if it has.
    """

    def __init__(self, account: str, password: str | None, *, china: bool) -> None:
        keep_logs_clean()
        home = private_dir(folder(account))
        super().__init__(
            account,
            password,
            cookie_directory=str(home),
            china_mainland=china,
            refresh_interval=None,
            authenticate=False,
        )
        old = self.session
        self._session = PrivateSession(
            self,
            client_id=self._client_id,
            cookie_directory=str(home),
            headers=dict(old.headers),
        )
        old.close()
        self.by_password = False
        self.own_zone: str | None = None
        self.before_password: Callable[[str], None] = lambda _password: None

    @by_apple()
    def authenticate(self, force_refresh: bool = False) -> None:
        """Sign in by what is saved (checked, or with ``force_refresh`` exchanged for a new
        session), else by the password. Raises pyicloud's exceptions; Transient for answers
        that are not Apple's, Misconfigured for an account of another country."""
        self.by_password = False
        super().authenticate(force_refresh=force_refresh)

    def _srp_authentication(self, pause_2fa: bool = False) -> bool:
        if self._password_raw is not None:
            self.before_password(self._password_raw)
            self.by_password = True
        try:
            return self._give_password(pause_2fa)
        except PyiCloudFailedLoginException as error:
            if not turned_away(error):
                raise
        self.forget_session()  # what an earlier sign-in left is in the way of this one
        return self._give_password(pause_2fa)

    def _give_password(self, pause_2fa: bool) -> bool:
        try:
            return cast(bool, super()._srp_authentication(pause_2fa=pause_2fa))
        except PyiCloudFailedLoginException as error:
            if not (offers_more(error) and self._declines()):
                raise
        return False

    def _declines(self) -> bool:
        """Tell Apple to go on without the two-factor authentication that it offers an account
        without, and whatever else may be put off; False where it does not."""
        try:
            # The numbers of the answer that brought the offer must come with it (icloudpd #1012).
            self.session.post(
                f"{self._auth_endpoint}/repair/complete", json={}, headers=self._get_auth_headers()
            )
        except PyiCloudConnectionException:
            raise
        except PyiCloud2FARequiredException:
            self._requires_mfa = True
            self._auth_data = self._get_mfa_auth_options()
        except PyiCloudAPIResponseException:
            return False
        return True

    def _authenticate_with_token(self, require_trust: bool = True) -> None:
        try:
            super()._authenticate_with_token(require_trust=require_trust)
        except PyiCloud2FARequiredException:
            # Apple says so with 302 and no address, which requests takes for a good answer
            # and pyicloud for that of a session without trust.
            if domain := self.data.get("domainToUse"):
                raise elsewhere(str(domain)) from None
            raise

    @property
    def password(self) -> str | None:
        return cast("str | None", self._password_raw)

    def forget_session(self) -> None:
        """Have the next ``authenticate`` begin with the password. The trust stays."""
        for name in ("session_token", "session_id", "scnt"):
            self.session.data.pop(name, None)
        self.session.cookies.clear()

    @contextlib.contextmanager
    def beginning_anew(self) -> Iterator[None]:
        """``forget_session`` for what comes inside; what is forgotten is back if that fails."""
        jar = self.session.cookies
        data, cookies = dict(self.session.data), list(jar)
        self.forget_session()
        try:
            yield
        except BaseException:
            self.session.data.update(data)
            jar.clear()
            for cookie in cookies:
                jar.set_cookie(cookie)
            self.session.flush()
            raise

    @property
    def has_token(self) -> bool:
        """Whether Apple gave a whole session. One for accepting terms, or of an account that
        is closed to the web, lacks this cookie (rclone #9658)."""
        return any(cookie.name == "X-APPLE-WEBAUTH-TOKEN" for cookie in self.session.cookies)

    def accept_terms(self) -> None:
        """Accept Apple's changed terms at the next sign-in."""
        self._accept_terms = True

    def close(self) -> None:
        """Save the session and release its connections."""
        self.session.flush()
        self.session.close()

    def discard(self) -> None:
        """Release the connections; a newer session owns the files."""
        self.session.retire()
        self.session.close()

    @contextlib.contextmanager
    def discarded_on_error(self) -> Iterator[None]:
        """For what has to work out if the session is to be of use."""
        try:
            yield
        except BaseException:
            self.discard()
            raise

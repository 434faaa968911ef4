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
    PyiCloudException,
    PyiCloudFailedLoginException,
    PyiCloudTrustedDevicePromptException,
)
from pyicloud.session import NON_PERSISTED_SESSION_KEYS, PyiCloudSession

from connectors.adapter import Adapter
from connectors.certificates import ca_bundle
from connectors.errors import Throttled
from connectors.headers import retry_after
from connectors.icloud.logs import keep_logs_clean
from connectors.icloud.signin_errors import (
    by_apple,
    elsewhere,
    signin_error,
    turned_away,
    valid_code,
    wrong_code,
)
from connectors.pools import CONNECT_TIMEOUT
from connectors.private import private_dir, state_dir, write_private

CONNECTIONS = 32  # for each host: more than any engine opens at once
_READ_TIMEOUT = 60.0
_LULL = 5.0  # seconds between writes of cookies that Apple merely renewed
_BUSY = {429, 502, 503, 504}
_OF_SESSION = {".session", ".cookiejar"}  # as pyicloud names its files
_JSON = {"Accept": "application/json"}


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


class Api(PyiCloudService):  # type: ignore[misc]
    """pyicloud with our session, asking for second factors only when told to.

    ``by_password`` says that the last ``authenticate`` needed the password, beyond what is
    saved. ``before_password`` is given it first, and raises what is to keep it from being tried.
    ``own_zone`` is the name that Apple has answered to for the person's own library, if it has.
    ``code_spent`` says that the code last asked for has come to its end: pyicloud closes the
    channel that brought it with the first code typed.
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
        self.code_spent = False
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
            return cast(bool, super()._srp_authentication(pause_2fa=pause_2fa))
        except PyiCloudFailedLoginException as error:
            if not turned_away(error):
                raise
        self.forget_session()  # what an earlier sign-in left is in the way of this one
        return cast(bool, super()._srp_authentication(pause_2fa=pause_2fa))

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

    # pyicloud asks Apple for a code as part of signing in. Unattended, that would ring the
    # person's phones on every scheduled run; attended, before they could say which phone.
    def request_2fa_code(self) -> bool:
        return False

    def _can_request_sms_2fa_code(self) -> bool:
        return False  # pyicloud would send a text message where something else was asked for

    def ask_for_code(self, phone: dict[str, Any] | None) -> None:
        """Have Apple send a code: to a phone by text message, or (None) to trusted devices.

        Raises pyicloud's exceptions when that is refused.
        """
        self._two_factor_code_requested = False  # else pyicloud waits for one that got lost
        self.code_spent = False
        self.session.busy = None
        if phone is not None:
            self._auth_data["trustedPhoneNumber"] = phone
            self._request_sms_2fa_code()
        elif not self._ask_over_bridge():
            self._ask_devices()

    def _ask_over_bridge(self) -> bool:
        """Ask the devices as Apple's page does, where it offers that; False when that fails:
        it takes a connection to websocket.push.apple.com, which not every network allows."""
        if not self._supports_trusted_device_bridge():
            return False
        try:
            return cast(bool, super().request_2fa_code())
        except PyiCloudConnectionException:
            raise
        except (PyiCloudAPIResponseException, OSError):
            return False

    def _ask_devices(self) -> None:
        try:
            # Since iOS 26.4 devices show a code only when asked to (icloudpy #138).
            self.session.put(
                f"{self._auth_endpoint}/verify/trusteddevice/securitycode",
                headers=self._get_auth_headers(_JSON),
            )
        except PyiCloudConnectionException:
            raise
        except PyiCloudException:
            pass  # others show one since the password was accepted
        self.use_existing_trusted_device_code()

    @by_apple()
    def validate_2fa_code(self, code: str) -> bool:
        """Whether Apple accepts the code; then the session is a trusted one.

        Raises what ``signin_errors`` makes of anything but a wrong code, pyicloud's exceptions when
        a trusted device cannot be asked, and those of ``authenticate``.
        """
        self.session.busy = None
        bridge = self._trusted_device_bridge_state
        self.code_spent = bridge is not None and not bridge.uses_legacy_trusted_device_verifier
        accepted = cast(bool, super().validate_2fa_code(code))
        if not accepted and self.session.busy is not None:
            raise signin_error(PyiCloudException(), self.account_name, self.session.busy)
        return accepted

    def _validate_trusted_device_code(self, code: str) -> None:
        self._judged(super()._validate_trusted_device_code, code)

    def _validate_sms_code(self, code: str) -> None:
        self._judged(super()._validate_sms_code, code)

    def _judged(self, give: Callable[[str], None], code: str) -> None:
        """To pyicloud every refusal is that of a wrong code."""
        try:
            give(code)
        except (PyiCloudAPIResponseException, PyiCloud2FARequiredException) as error:
            if wrong_code(error):
                raise
            raise signin_error(error, self.account_name, self.session.busy) from error

    @staticmethod
    def _is_accepted_security_code_conflict(response: requests.Response | None) -> bool:
        """Whether Apple accepted the code although the status is a refusal's; pyicloud knows
        that of 409 only, but 412 comes with it, too (icloudpd #1026)."""
        return response is not None and valid_code(response)

    def _get_mfa_auth_options(self) -> dict[str, Any]:
        try:
            return cast(dict[str, Any], super()._get_mfa_auth_options())
        except PyiCloudTrustedDevicePromptException:  # Apple's page is no longer what it was
            return self._options()

    def _options(self) -> dict[str, Any]:
        """What the page of the second factor tells in script, as plain data."""
        headers = self._get_auth_headers(_JSON)
        return cast(dict[str, Any], self.session.get(self._auth_endpoint, headers=headers).json())

    def phones(self) -> list[dict[str, Any]]:
        """The numbers Apple can send a code to, as it describes them."""
        found = _numbers(self._auth_data)
        if not found:  # pyicloud reads only one of the places where the page may name them
            with contextlib.suppress(PyiCloudException, ValueError):
                found = _numbers(self._options())
        return found

    @property
    def has_trusted_devices(self) -> bool:
        told = self._auth_data  # by the page in the one way, as plain data in the other
        return bool(told.get("hasTrustedDevices")) or told.get("noTrustedDevices") is False

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


def _numbers(told: Any) -> list[dict[str, Any]]:
    known = told.get("phoneNumberVerification", told) if isinstance(told, dict) else {}
    numbers = known.get("trustedPhoneNumbers") or [known.get("trustedPhoneNumber")]
    return [number for number in numbers if isinstance(number, dict) and "id" in number]

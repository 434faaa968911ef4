"""Signing a person in: password, second factor, terms, consent; each refusal one clear line."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from datetime import UTC, datetime

from pyicloud.exceptions import (
    PyiCloud2SARequiredException,
    PyiCloudAcceptTermsException,
    PyiCloudConnectionException,
    PyiCloudException,
    PyiCloudFailedLoginException,
)

from connectors.abilities import Prompter
from connectors.errors import Misconfigured, OutpourError, SessionExpired, Transient
from connectors.icloud import access
from connectors.icloud.account import password_key, saved_password
from connectors.icloud.cloudkit import INDEXING, Zone, about, is_indexing
from connectors.icloud.codes import type_code
from connectors.icloud.lockout import lift
from connectors.icloud.session import Api, known_accounts, remember_account
from connectors.icloud.settings import ICloudSettings
from connectors.icloud.signin_errors import signin_error, wrong_password
from connectors.private import store_secret

_TRIES = 3
_KEY_SECONDS = 90.0  # to plug a security key in and touch it
_TERMS = "https://www.apple.com/legal/internet-services/icloud/"


def connect(settings: ICloudSettings, prompter: Prompter) -> None:
    """Sign in, so that later runs need nobody. Raises what ``signin_errors`` makes of a refusal."""
    account = settings.account or _which(prompter)
    api = sign_in(settings, account, prompter)
    try:
        until = trusted_until(api)
    finally:
        api.close()
    lasting = f" Apple trusts this computer until {until:%d %B %Y}." if until else ""
    prompter.tell(f"Connected to iCloud as {account}.{lasting}")


def sign_in(settings: ICloudSettings, account: str, prompter: Prompter) -> Api:
    """A session that the photos are open to, saved for later ones."""
    door = _Door(settings, account, prompter)
    api = door.enter()
    if not _opens(api, prompter):
        api.discard()
        prompter.tell("The saved session no longer opens the photos; signing in anew.")
        api = door.enter(anew=True)
        with api.discarded_on_error():
            _look_in(api, prompter)
    api.session.flush()
    remember_account(account)
    lift(account)
    door.offer_to_keep_password()
    return api


class _Door:
    """Lets a person in, asking for the password where none is saved or it is wrong."""

    def __init__(self, settings: ICloudSettings, account: str, prompter: Prompter) -> None:
        self._settings = settings
        self._account = account
        self._prompter = prompter
        self._password = saved_password(account)
        self._typed = False

    def enter(self, *, anew: bool = False) -> Api:
        """A session by what is saved, or ``anew`` by the password."""
        asked = 0
        while True:
            api = Api(self._account, self._password, china=self._settings.china)
            session = api.beginning_anew() if anew else contextlib.nullcontext()
            try:
                with api.discarded_on_error(), session:
                    _enter(api, self._prompter)
                return api
            except PyiCloudFailedLoginException as error:
                failure = signin_error(error, self._account, api.session.busy)
                hopeless = not isinstance(failure, SessionExpired) or asked == _TRIES
                if hopeless or not (self._password is None or wrong_password(error)):
                    raise failure from error
            except PyiCloudException as error:
                raise signin_error(error, self._account, api.session.busy) from error
            self._ask(failure)
            asked += 1

    def _ask(self, failure: OutpourError) -> None:
        if self._password is not None:
            self._prompter.tell(f"{failure}.")
        self._password = self._prompter.ask(f"Password of {self._account}:", secret=True)
        self._typed = True
        if not self._password:
            raise SessionExpired("no password was given", hint="connect again") from failure

    def offer_to_keep_password(self) -> None:
        """Of use only once the password is known to be right."""
        if (
            self._typed
            and self._prompter.choose(
                "Keep the password, so that runs can renew the session by themselves?",
                ("Yes, in this system's keyring (a private file where there is none)", "No"),
            )
            == 0
        ):
            store_secret(password_key(self._account), self._password or "")


def _opens(api: Api, prompter: Prompter) -> bool:
    """Whether the session opens the photos; False where one by the password may. A session that
    is no longer good may be told for days that Apple is still indexing (kei's issue 144)."""
    try:
        with api.discarded_on_error():
            return _look_in(api, prompter) or api.by_password
    except access.Closed:
        raise
    except SessionExpired:
        if api.by_password:
            raise
        return False


def _look_in(api: Api, prompter: Prompter) -> bool:
    """See whether the photos are open; False where Apple says that it is still indexing them.
    Raises access.Closed where no sign-in would help, another SessionExpired where the session may
    be at fault, and what else ``cloudkit.about`` raises."""
    api.session.busy = None
    try:
        access.allow(api, prompter)
    except PyiCloudException as error:
        raise signin_error(error, api.account_name, api.session.busy) from error
    question = {"query": {"recordType": INDEXING}}
    try:
        return not is_indexing(
            about(api, Zone(), "/records/query", lambda at: {**question, "zoneID": at})
        )
    except Transient:
        return True  # busy, which says nothing about the sign-in; a run waits for it
    except SessionExpired as refusal:
        raise access.shut(refusal) from refusal


def trusted_until(api: Api) -> datetime | None:
    """When Apple will ask for a second factor again; None where its cookies do not say."""
    ends = {cookie.name: cookie.expires for cookie in api.session.cookies if cookie.expires}
    trust = [end for name, end in ends.items() if name.startswith("X-APPLE-WEBAUTH-HSA-TRUST")]
    session = [ends[name] for name in ("X-APPLE-WEBAUTH-TOKEN",) if name in ends]
    found = max(trust) if trust else min(session, default=None)
    return None if found is None else datetime.fromtimestamp(found, UTC)


def _which(prompter: Prompter) -> str:
    known = known_accounts()
    if len(known) == 1:
        return known[0]
    account = prompter.ask("Apple Account (e-mail address):").strip()
    if not account:
        raise Misconfigured(
            "no account was given", hint="run: outpour connect icloud:you@example.com"
        )
    return account


def _enter(api: Api, prompter: Prompter) -> None:
    """Password and second factor; terms wherever they come up."""
    try:
        _prove(api, prompter)
    except PyiCloudAcceptTermsException:
        question = f"Apple's terms have changed. Read them at {_TERMS}. Do you accept them?"
        if prompter.choose(question, ("Yes", "No")) != 0:
            raise
        _accept_terms(api, prompter)


def _accept_terms(api: Api, prompter: Prompter) -> None:
    api.accept_terms()
    try:
        _prove(api, prompter, force=True)
    except PyiCloudException as error:
        if isinstance(error, PyiCloudConnectionException) or api.session.busy is not None:
            raise
        raise SessionExpired(
            "Apple did not take the acceptance of its terms from here",
            hint="sign in at https://www.icloud.com, accept them there, then connect again",
        ) from error


def _prove(api: Api, prompter: Prompter, *, force: bool = False) -> None:
    """Prove to be the account's owner, by the saved session where that is enough."""
    api.authenticate(force_refresh=force)
    if api.data.get("termsUpdateNeeded"):  # a resumed session is not checked for it
        raise PyiCloudAcceptTermsException
    if not (api.requires_2fa or api.requires_2sa):
        return
    if api.without_two_factor:
        raise PyiCloud2SARequiredException(api.account_name)
    if api.two_factor_delivery_method == "security_key":
        _touch_key(api, prompter)
    else:
        type_code(api, prompter)
    if api.requires_2fa:
        raise SessionExpired(
            "Apple accepted the second factor but does not trust this computer",
            hint="connect again in a few minutes",
        )


def _touch_key(api: Api, prompter: Prompter) -> None:
    names = ", ".join(api.security_key_names or ()) or "security key"
    prompter.tell(f"Plug in your security key ({names}) and touch it when it blinks.")
    deadline = time.monotonic() + _KEY_SECONDS
    while not api.fido2_devices:
        if time.monotonic() >= deadline:
            raise SessionExpired("no security key was seen", hint=_without_key())
        time.sleep(1)
    late = threading.Event()
    timer = threading.Timer(_KEY_SECONDS, late.set)
    timer.start()
    try:
        api.touch_key(late)
    finally:
        timer.cancel()


def _without_key() -> str:
    if sys.platform == "win32":  # it shows them to nobody else (python-fido2 #55 and #147)
        return "plug it in, open the terminal as an administrator and connect again"
    return "plug it in and connect again"

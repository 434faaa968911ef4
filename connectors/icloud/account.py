"""One account for many threads: resumes the saved session at first use, renews it when Apple
no longer accepts it, and knows when only a person can help.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from pyicloud.exceptions import PyiCloudException
from pyicloud.utils import KEYRING_SYSTEM

from connectors.errors import Misconfigured, OutpourError, SessionExpired, Transient
from connectors.icloud import access, lockout
from connectors.icloud.errors import WEB_ACCESS
from connectors.icloud.session import Api, known_accounts
from connectors.icloud.settings import PASSWORD_VARIABLE, ICloudSettings
from connectors.icloud.signin_errors import final, signin_error, wrong_password
from connectors.private import foreign_secret, load_secret

T = TypeVar("T")


def password_key(account: str) -> str:
    """The name under which an account's password is kept in the keyring."""
    return f"icloud:{account.lower()}"


def saved_password(account: str) -> str | None:
    """From the environment, else from the keyring (ours, then pyicloud's own entry)."""
    if password := os.environ.get(PASSWORD_VARIABLE):
        return password
    if password := load_secret(password_key(account)):
        return password
    return foreign_secret(KEYRING_SYSTEM, account)


class Account:
    """Constructing reads and asks nothing; every method may be called from any thread."""

    def __init__(self, settings: ICloudSettings) -> None:
        self.settings = settings
        self.ended = threading.Event()
        """Set when nobody waits for answers any more."""
        self._lock = threading.RLock()
        self._api: Api | None = None
        self._generation = 0
        self._lost: SessionExpired | None = None  # why a person is needed, once that is known

    def check_ended(self) -> None:
        """Raise Transient once nobody waits for answers any more."""
        if self.ended.is_set():
            raise Transient("iCloud is asked no more: the run ends")

    def pause(self, seconds: float) -> None:
        """Let so many seconds go by. Raises what ``check_ended`` raises."""
        self.ended.wait(seconds)
        self.check_ended()

    @property
    def name(self) -> str:
        """The account's e-mail address; Misconfigured or SessionExpired where it is not clear."""
        if self.settings.account:
            return self.settings.account
        known = known_accounts()
        if len(known) == 1:
            return known[0]
        if known:
            raise Misconfigured(
                f"several iCloud accounts are connected here: say which ({', '.join(known)})",
                hint="add account: to this place",
            )
        raise SessionExpired(
            "no iCloud account is connected yet", hint="run: outpour connect icloud"
        )

    def person(self) -> str:
        """Apple's own number for the account: the same under each of the addresses and numbers
        that it is signed in with. Raises what ``use`` raises."""
        return self.use(lambda api: str(api.params.get("dsid") or api.account_name.casefold()))

    def use(self, work: Callable[[Api], T]) -> T:
        """Run ``work`` with a session Apple accepts.

        When it raises SessionExpired the session is renewed, by one thread for all, and the work
        repeated: by what is saved of it first, then by the password, since Apple may renew one
        that is of no use (kei's pull requests 177 and 200). Raises SessionExpired when only a
        person can renew it.
        """
        renewed = False
        while True:
            api, generation = self._ready()
            try:
                return work(api)
            except SessionExpired as expired:
                if renewed and not _may_begin_anew(api, expired):
                    lost = access.shut(expired)
                    with self._lock:
                        self._lost = lost
                    raise lost from expired
                self._renew(generation, expired, anew=renewed)
                renewed = True

    def once(self, work: Callable[[Api], T]) -> T:
        """The same with the session as it is: what is refused is raised, and nothing renewed."""
        return work(self._ready()[0])

    def adopt(self, api: Api) -> None:
        """Use a session that a person has just signed in."""
        self._guard(api)
        with self._lock:
            old, self._api, self._lost = self._api, api, None
            self._generation += 1
        if old is not None:
            old.discard()

    def close(self) -> None:
        with self._lock:
            api, self._api = self._api, None
        if api is not None:
            api.close()

    def _ready(self) -> tuple[Api, int]:
        with self._lock:
            if self._lost is not None:
                raise _again(self._lost)
            if self._api is None:
                name = self.name
                api = Api(name, saved_password(name), china=self.settings.china)
                self._guard(api)
                with api.discarded_on_error():
                    self._try(api, lambda: self._sign_in(api, force=False))
                self._api = api
            return self._api, self._generation

    def _guard(self, api: Api) -> None:
        """From now on nobody is there who could type another password."""
        api.before_password = partial(lockout.check, api.account_name)

    def _renew(self, generation: int, expired: SessionExpired, *, anew: bool) -> None:
        with self._lock:
            if self._generation != generation:
                return  # another thread has just done it
            if self._lost is not None:
                raise _again(self._lost)
            if (api := self._api) is None:
                raise expired  # closed meanwhile
            with api.beginning_anew() if anew else contextlib.nullcontext():
                self._try(api, lambda: self._sign_in(api, force=True))
            self._try(api, lambda: access.allow(api, None, self.pause))
            self._generation += 1

    def _sign_in(self, api: Api, *, force: bool) -> None:
        """Without a person: the saved session, else the trust it earned and the password."""
        refusal: OutpourError | None = None
        try:
            api.authenticate(force_refresh=force)
            if api.requires_2fa or api.requires_2sa:
                refusal = SessionExpired(
                    "iCloud asks for a two-factor code again",
                    hint=f"run: outpour connect icloud:{self.name}",
                )
        except PyiCloudException as error:
            if not (api.by_password and final(error)):
                raise
            outdated = wrong_password(error)
            refusal = (
                self._outdated() if outdated else signin_error(error, self.name, api.session.busy)
            )
        if api.by_password and isinstance(refusal, SessionExpired):
            lockout.note(self.name, api.password or "", refusal)
        if refusal is not None:
            raise refusal

    def _outdated(self) -> SessionExpired:
        hint = f"type the new one with: outpour connect icloud:{self.name}"
        if os.environ.get(PASSWORD_VARIABLE):
            hint = f"correct {PASSWORD_VARIABLE}, or unset it and {hint}"
        return SessionExpired("the saved password is no longer right", hint=hint)

    def _try(self, api: Api, step: Callable[[], None]) -> None:
        """Raises an OutpourError for whatever ``step`` raises, and remembers one that only a
        person can help."""
        api.session.busy = None
        failure: OutpourError | None = None
        try:
            step()
        except (OutpourError, PyiCloudException) as error:
            failure = signin_error(error, api.account_name, api.session.busy)
        if failure is None:
            return
        if isinstance(failure, SessionExpired):
            self._lost = failure
        raise failure


def _may_begin_anew(api: Api, expired: SessionExpired) -> bool:
    """Whether the password may open what the renewed session does not."""
    return api.password is not None and not api.by_password and expired.hint != WEB_ACCESS


def _again(error: SessionExpired) -> SessionExpired:
    """The same, to be raised by another thread or at another time."""
    return SessionExpired(str(error), hint=error.hint)

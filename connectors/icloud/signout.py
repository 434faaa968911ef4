"""``outpour disconnect icloud``: the session is ended at Apple and forgotten here."""

from __future__ import annotations

from connectors.errors import SessionExpired
from connectors.grants import left_to_do
from connectors.icloud import lockout
from connectors.icloud.account import Account, password_key
from connectors.icloud.session import Api, forget_account, is_connected
from connectors.icloud.settings import ICloudSettings
from connectors.private import forget_secret, load_secret

_BY_HAND = (
    "Apple could not be told: the session ends by itself, or with 'Sign out of all browsers' "
    "in the settings of https://www.icloud.com"
)


def sign_out(settings: ICloudSettings) -> str:
    """Forget session, trust and password, and have Apple end the session; what is left to do by
    hand, empty for nothing. What is known of copies in the library stays.

    Raises SessionExpired where no account is connected, Misconfigured where it is not clear which.
    """
    account = Account(settings).name
    if not is_connected(account) and load_secret(password_key(account)) is None:
        raise SessionExpired(f"{account} is not connected")
    told = _end(account, china=settings.china)
    gone = forget_secret(password_key(account))
    lockout.lift(account)
    forget_account(account)
    return left_to_do(told=told, by_hand=_BY_HAND, gone=gone)


def _end(account: str, *, china: bool) -> bool:
    """Whether Apple said that it has ended the session."""
    try:
        api = Api(account, None, china=china)  # what is saved has to do: nobody is asked for more
        try:
            api.authenticate()
            return bool(api.logout(clear_local_session=False)["remote_logout_confirmed"])
        finally:
            api.discard()
    except Exception:  # noqa: BLE001  (a file that is damaged, too, must not keep the rest here)
        return False

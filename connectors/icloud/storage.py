"""How full iCloud is, in Apple's own words."""

from __future__ import annotations

from pyicloud.exceptions import PyiCloudException
from pyicloud.services import AccountService

from connectors.abilities import Capacity
from connectors.errors import Transient
from connectors.icloud.account import Account
from connectors.icloud.errors import of_answer
from connectors.icloud.session import Api
from connectors.icloud.signin_errors import signin_error


def capacity(account: Account) -> Capacity:
    """Asked of Apple on every call. Raises Transient, SessionExpired."""
    return account.use(_read)


def _read(api: Api) -> Capacity:
    api.session.busy = None
    try:
        # A fresh service each time: pyicloud keeps its first answer for good.
        storage = AccountService(
            api.get_webservice_url("account"),
            api.session,
            api.is_china_mainland,
            api.params,
        ).storage
        usage = storage.usage
        used, total = int(usage.used_storage_in_bytes), int(usage.total_storage_in_bytes)
        return Capacity(
            used=used,
            total=total,
            free=max(0, total - used),
            by_kind={
                kind: int(media.usage_in_bytes) for kind, media in storage.usages_by_media.items()
            },
            full=bool(usage.quota_over),
            nearly_full=bool(usage.quota_almost_full),
        )
    except PyiCloudException as error:
        response = getattr(error, "response", None)
        if api.session.busy is None and response is not None and response.status_code == 500:
            raise of_answer(500, response.headers, response.content) from error
        raise signin_error(error, api.account_name, api.session.busy) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Transient("iCloud's answer about its storage makes no sense") from error

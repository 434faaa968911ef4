"""setup.icloud.com/setup/ws/1: the web session, storage figures, data-protection consent."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from sandbox.icloud.account import REPAIR, TOKEN, Account, cookies_of
from sandbox.icloud.state import web_state
from sandbox.messages import Answer, Request, json_answer

_PCS_COOKIES = ("Documents", "News", "Notes", "Sharing", "Photos")
_PCS_APPS = ("photos", "iclouddrive")


class Setup:
    """``used`` tells the bytes photos take."""

    def __init__(self, account: Account, used: Callable[[], int]) -> None:
        self._account = account
        self._used = used
        self._told: int | None = None
        self._stale = 0
        self._routes: dict[str, Callable[[Request], Answer]] = {
            "accountLogin": self._login,
            "validate": self._validate,
            "logout": self._logout,
            "storageUsageInfo": self._signed(self._storage),
            "requestWebAccessState": self._signed(self._web_access),
            "enableDeviceConsentForPCS": self._signed(self._ask_consent),
            "requestPCS": self._signed(self._pcs),
            "getTerms": self._repairing(self._terms),
            "repairDone": self._repairing(self._accept),
            "listDevices": self._signed(lambda _request: json_answer({"devices": []})),
        }

    def handle(self, request: Request) -> Answer:
        route = self._routes.get(request.path.removeprefix("/setup/ws/1/"))
        return route(request) if route else json_answer({"success": False, "error": 1}, 404)

    def _signed(self, route: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
        def checked(request: Request) -> Answer:
            if TOKEN not in cookies_of(request):
                return missing_token()
            if self._account.signed_in(request) is None:
                return no_session()
            dsid = request.query.get("dsid")
            if dsid is not None and dsid != self._account.dsid:
                return no_session()
            return route(request)

        return checked

    def _repairing(self, route: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
        """Open to the partial session of an account with terms to accept, too."""

        def checked(request: Request) -> Answer:
            repair = cookies_of(request).get(REPAIR)
            known = repair in self._account.repairs and self._account.terms_by_client
            return route(request) if known else self._signed(route)(request)

        return checked

    def _login(self, request: Request) -> Answer:
        body = request.json() or {}
        account = self._account
        if request.host.endswith(".cn") != account.china:
            return json_answer(
                {"domainToUse": "iCloud.com.cn" if account.china else "iCloud.com"}, 302
            )
        verified = account.tokens.get(body.get("dsWebAuthToken", ""))
        if verified is None:
            return json_answer({"success": False, "error": "Invalid session token"}, 421)
        trusted = verified or body.get("trustToken", "") in account.trusts
        return json_answer(
            web_state(account, trusted),
            headers=_uuid(),
            cookies=self._cookies(trusted),
        )

    def _validate(self, request: Request) -> Answer:
        if TOKEN not in cookies_of(request):
            return missing_token()
        trusted = self._account.signed_in(request)
        if trusted is None:
            return no_session()
        return json_answer(web_state(self._account, trusted), headers=_uuid())

    def _logout(self, _request: Request) -> Answer:
        self._account.expire_sessions()
        return json_answer({"success": True})

    def _cookies(self, trusted: bool) -> tuple[str, ...]:
        """A partial session has neither TOKEN, VALIDATE nor DS-WEB-SESSION-TOKEN: so for terms
        to accept (rclone #9919) and with web access off (rclone #9658)."""
        account = self._account
        tail = f"Path=/;Domain=.{account.zone_tail};Secure"
        until = "Expires=Tue, 16-Jan-2035 02:07:19 GMT"
        names = {"X-APPLE-WEBAUTH-USER": f"v=1:s=1:d={account.dsid}"}
        if account.terms or not account.web_access:
            names[REPAIR] = account.repair_cookie()
            return tuple(
                f'{name}="{value}";{until};{tail};HttpOnly' for name, value in names.items()
            )
        names[TOKEN] = account.cookie(trusted)
        names["X-APPLE-DS-WEB-SESSION-TOKEN"] = f"AQ{uuid.uuid4().hex}="
        for app in _PCS_COOKIES:
            names[f"X-APPLE-WEBAUTH-PCS-{app}"] = f"pcs{uuid.uuid4().hex}="
        valid = f'X-APPLE-WEBAUTH-VALIDATE="v=1:t=EQ=={uuid.uuid4().hex}~";{tail}'
        return (
            *(f'{name}="{value}";{until};{tail};HttpOnly' for name, value in names.items()),
            valid,
        )

    def photo_bytes(self) -> int:
        """What the figures say now: they may lag behind the truth."""
        truth = self._used()
        if self._told is None or truth == self._told:
            self._stale = self._account.usage_lag
        elif self._stale > 0:
            self._stale -= 1
            return self._told
        self._told = truth
        return truth

    def _storage(self, _request: Request) -> Answer:
        account = self._account
        photos = self.photo_bytes()
        used = photos + account.other_used
        kinds = {
            "photos": ("Photos", "ffcc00", photos),
            "backup": ("Backup", "5856d6", account.other_used * 2 // 3),
            "docs": ("Documents", "ff9500", account.other_used // 3),
            "mail": ("Mail", "007aff", 0),
        }
        return json_answer(
            {
                "storageUsageByMedia": [
                    {
                        "mediaKey": key,
                        "displayLabel": label,
                        "displayColor": colour,
                        "usageInBytes": size,
                    }
                    for key, (label, colour, size) in kinds.items()
                ],
                "storageUsageInfo": {
                    "compStorageInBytes": 0,
                    "usedStorageInBytes": used,
                    "totalStorageInBytes": account.total,
                    "commerceStorageInBytes": 0,
                },
                "quotaStatus": {
                    "overQuota": used > account.total,
                    "haveMaxQuotaTier": False,
                    "almost-full": used > account.total * 0.95,
                    "paidQuota": False,
                },
            }
        )

    # --- Advanced Data Protection --------------------------------------------------------

    def _web_access(self, _request: Request) -> Answer:
        account = self._account
        return json_answer(
            {
                "isICDRSDisabled": account.protected,
                "isWebAccessAllowed": account.web_access,
                "isDeviceConsentedForPCS": not account.protected or account.consent == "given",
            }
        )

    def _ask_consent(self, _request: Request) -> Answer:
        if self._account.consent == "ask":  # the person taps Allow before the next question
            self._account.consent = "given"
        return json_answer({"isDeviceConsentNotificationSent": True})

    def _pcs(self, request: Request) -> Answer:
        if request.json().get("appName") not in _PCS_APPS:
            return json_answer({"status": "failure", "message": "Unknown application."})
        if self._account.consent != "given":
            message = "Requested the device to upload cookies."
            return json_answer({"status": "failure", "message": message})
        self._account.pcs = True
        return json_answer({"status": "success", "message": "success"})

    # --- terms ---------------------------------------------------------------------------

    def _terms(self, _request: Request) -> Answer:
        return json_answer({"iCloudTerms": {"version": 20260101}})

    def _accept(self, request: Request) -> Answer:
        if request.json().get("acceptedICloudTerms") != 20260101:
            return json_answer({"success": False, "error": 1}, 400)
        self._account.terms = False
        return json_answer({"success": True})


def missing_token() -> Answer:
    return json_answer({"success": False, "error": f"Missing {TOKEN} cookie"}, 500, _uuid())


def no_session() -> Answer:
    return json_answer({"success": False, "error": "Invalid global session"}, 421, _uuid())


def _uuid() -> dict[str, str]:
    return {
        "X-Apple-Request-UUID": str(uuid.uuid4()),
        "X-Apple-Edge-Response-Time": "501",
        "x-apple-user-partition": "61",
    }

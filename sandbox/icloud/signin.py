"""idmsa.apple.com/appleauth/auth: SRP, two-factor codes, security keys, trust."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import uuid
from typing import Any

from sandbox.icloud import securitykey
from sandbox.icloud.account import Account, Login
from sandbox.icloud.srp import ITERATIONS, Exchange
from sandbox.messages import Answer, Request, json_answer

WIDGET = "d39ba9916b7251055b22c7f910e2ea796ee65e98b2ddecea8f5dde8d9d1a815d"
_MODES = ("voice", "sms")
_FIRST = {"device": "auth/verify/device", "bridge": "auth/bridge/step"}
_PUSH = {
    "apnsTopic": "com.apple.idmsauthwidget",
    "apnsEnvironment": "prod",
    "webSocketUrl": "websocket.push.apple.com",
}
_NO_TEXTS = (
    "Verification codes can't be sent to this phone number at this time. Please try again later."
)
_OFF = (
    "restrictedAccount",
    "managedAccount",
    "autoVerified",
    "showAutoVerificationUI",
    "supportsCustodianRecovery",
    "hideSendSMSCodeOption",
    "supervisedChangePasswordFlow",
)
_HELP = (
    "recoveryUrl",
    "cantUsePhoneNumberUrl",
    "recoveryWebUrl",
    "repairPhoneNumberUrl",
    "repairPhoneNumberWebUrl",
    "aboutTwoFactorAuthenticationUrl",
)
_NEEDED = (
    "x-apple-oauth-client-id",
    "x-apple-oauth-redirect-uri",
    "x-apple-oauth-response-type",
    "x-apple-oauth-state",
    "x-apple-widget-key",
)


class SignIn:
    """Answers for one account; any other name gets the answer of a wrong password."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.key = securitykey.SecurityKey()
        self._routes = {
            ("GET", "/authorize/signin"): self._page,
            ("POST", "/signin/init"): self._init,
            ("POST", "/signin/complete"): self._complete,
            ("POST", "/repair/complete"): self._repaired,
            ("GET", ""): self._options,
            ("PUT", "/verify/phone"): self._send_code,
            ("PUT", "/verify/trusteddevice/securitycode"): self._show_code,
            ("POST", "/verify/phone/securitycode"): self._code,
            ("POST", "/verify/trusteddevice/securitycode"): self._code,
            ("POST", "/verify/security/key"): self._security_key,
            ("GET", "/2sv/trust"): self._trust,
        }

    def handle(self, request: Request) -> Answer:
        path = request.path.removeprefix("/appleauth/auth")
        route = self._routes.get((request.method, path))
        if route is None:
            return _errors(404, "-10000", "Not found.")
        missing = [name for name in _NEEDED if name not in request.headers]
        if path != "/authorize/signin" and (missing or not self._known_widget(request)):
            return _errors(400, "-1", f"Missing or wrong header: {', '.join(missing) or WIDGET}")
        return route(request)

    def _known_widget(self, request: Request) -> bool:
        return bool(request.headers["x-apple-widget-key"] == WIDGET)

    def _page(self, request: Request) -> Answer:
        if request.query.get("client_id") != WIDGET:
            return _errors(400, "-1", "Unknown client.")
        return Answer(200, {"Content-Type": "text/html;charset=UTF-8"}, b"<html></html>")

    def _init(self, request: Request) -> Answer:
        body = request.json()
        if set(body) != {"a", "accountName", "protocols"}:
            return _errors(400, "-1", "Unexpected fields.")
        account = self._account
        if account.turns_away == "all" or (account.turns_away and "scnt" in request.headers):
            return Answer(401, {}, b"")
        if account.protocol not in body["protocols"]:
            return _errors(400, "-1", "No common protocol.")
        # An unknown name gets a challenge too, so that names cannot be tried out.
        known = body["accountName"] in (account.apple_id, *account.aliases)
        password = account.password if known else secrets.token_hex()
        try:
            public = base64.b64decode(body["a"], validate=True)
            exchange = Exchange(body["accountName"], password, public, account.protocol)
        except (ValueError, binascii.Error):
            return _errors(400, "-1", "Malformed.")
        login = account.begin(exchange)
        return json_answer(
            {
                "iteration": ITERATIONS,
                "salt": _encode(exchange.salt),
                "protocol": exchange.protocol,
                "version": 1,
                "b": _encode(exchange.public),
                "c": login.challenge,
            },
            headers={"scnt": login.scnt, "X-Apple-I-Request-ID": str(uuid.uuid4())},
        )

    def _complete(self, request: Request) -> Answer:
        body = request.json()
        account = self._account
        login = account.logins.get(body.get("c", ""))
        if login is None:
            return _errors(400, "-1", "Unknown challenge.")
        if account.locked:
            return _locked()
        try:
            right = login.exchange.check(base64.b64decode(body["m1"]), base64.b64decode(body["m2"]))
        except (KeyError, ValueError):
            right = False
        if not right:
            if account.wrong_password():
                return _locked()
            text = "Enter the email or phone number and password for your Apple Account."
            return _errors(401, "-20101", text, key="serviceErrors")
        account.tries = 0
        login.password_right = True
        if account.repair:
            return self._to_repair(login)
        return self._after_password(login, body.get("trustTokens") or [])

    def _to_repair(self, login: Login) -> Answer:
        headers = {
            **self._headers(login),
            "X-Apple-Repair-Session-Token": secrets.token_urlsafe(48),
            "Location": "https://appleid.apple.com/widget/account/repair",
        }
        return json_answer({"authType": "sa", "auth_type": "sa"}, 412, headers)

    def _after_password(self, login: Login, trusts: list[str]) -> Answer:
        account = self._account
        trusted = any(token in account.trusts for token in trusts)
        login.verified = account.second_factor == "none" or trusted
        headers = self._headers(login, token=True)
        if login.verified or account.second_factor == "two_step":
            return json_answer({"authType": "sa"}, 200, headers)
        return json_answer({"authType": "hsa2", "auth_type": "hsa2"}, 409, headers)

    def _repaired(self, request: Request) -> Answer:
        """Go on as the account is: what Apple's page does with "Don't upgrade"."""
        login = self._login(request)
        if login is None:  # icloudpd #1012
            return Answer(403, {}, b"")
        if request.json() != {}:
            return _errors(400, "-1", "Unexpected fields.")
        if self._account.repair == "demanded":
            return self._to_repair(login)
        return self._after_password(login, [])

    def _options(self, request: Request) -> Answer:
        login = self._login(request)
        if login is None:
            return _no_session()
        options = self._two_factor(login)
        if not request.headers.get("accept", "*/*").startswith("application/json"):
            text = json.dumps({"direct": options, "additional": {"canRoute2sv": True}})
            page = f'<script type="application/json" class="boot_args">{text}</script>'
            headers = {"Content-Type": "text/html; charset=UTF-8", **self._headers(login)}
            return Answer(200, headers, page.encode())
        without = not options["hasTrustedDevices"]
        flat = {**options["twoSV"], "authType": "hsa2", "noTrustedDevices": without}
        return json_answer(flat, headers=self._headers(login))

    def _two_factor(self, login: Login) -> dict[str, Any]:
        factor = self._account.second_factor
        devices = factor in {"device", "bridge"}
        phones = _phones(self._account)
        two: dict[str, Any] = {
            "supportedPushModes": list(_MODES),
            "phoneNumberVerification": phones,
            "authFactors": ["robocall", "sms", "generatedcode"],
            "source_returnurl": "https://idmsa.apple.com/",
            "sourceAppId": 1159,
        }
        if factor == "sms":
            two["bridgeInitiateData"] = {"phoneNumberVerification": phones}
        if factor == "bridge":
            two["bridgeInitiateData"] = {"phoneNumberVerification": phones, **_PUSH}
        if factor == "key":
            login.fido = login.fido or _encode(secrets.token_bytes(32), url=True)
            del two["phoneNumberVerification"]
            two["authFactors"] = ["webauthn"]
            two["fsaChallenge"] = {
                "challenge": login.fido,
                "keyHandles": [self.key.handle],
                "rpId": "apple.com",
                "allowedCredentials": self.key.handle,
            }
            two["keyNames"] = ["Sandbox key"]
        return {
            "authUserType": "hsa2",
            "module": "widget/auth/components/hsa2/hsa2",
            "scriptUrl": "https://appleid.cdn-apple.com/appleauth/static/hsa2.js",
            "scriptSk7Url": "https://appleid.cdn-apple.com/appleauth/static/home.js",
            "isReact": True,
            "referrerQuery": "",
            "tag": "<hsa2></hsa2>",
            "appleIDUrl": "https://appleid.apple.com",
            "hasTrustedDevices": devices,
            "twoSV": two,
            "authType": "hsa2",
            "authInitialRoute": _FIRST.get(factor, "auth/verify/phone"),
            "urlContext": "/appleauth",
        }

    def _send_code(self, request: Request) -> Answer:
        login = self._login(request)
        if login is None:
            return _no_session()
        body = request.json()
        mode = body.get("mode")
        if body.get("phoneNumber", {}).get("id") != 1 or mode not in _MODES:
            return _errors(400, "-1", "Unexpected fields.")
        calls_only = self._account.phone_mode == "voice"
        if mode == "sms" and (calls_only or not self._account.texts):
            return _errors(500, "-28248", _NO_TEXTS)
        login.code_sent = mode
        self._account.codes_sent += 1
        return json_answer(
            {**self._to_phone(mode), "securityCode": {"length": 6}}, headers=self._headers(login)
        )

    def _to_phone(self, mode: str) -> dict[str, Any]:
        return {"trustedPhoneNumber": _phone(self._account), "mode": mode}

    def _show_code(self, request: Request) -> Answer:
        login = self._login(request)
        if login is None:
            return _no_session()
        if request.read_all() not in (b"", b"null"):
            return _errors(400, "-1", "Unexpected fields.")
        login.code_shown = True
        self._account.codes_shown += 1
        return Answer(202, self._headers(login))

    def _code(self, request: Request) -> Answer:
        login = self._login(request)
        if login is None:
            return _no_session()
        account = self._account
        body = request.json()
        phone = request.path.endswith("/phone/securitycode")
        if account.codes_locked:
            return _no_more_codes()
        if phone and not login.code_sent:
            return _errors(412, "-28248", "No code was sent to this number.")
        # A code that the bridge brought is no good at this address (icloudpd #1327).
        unasked = account.shows_codes and account.second_factor == "device"
        # So is one by text message as one by a call, and the other way round (fastlane #17654).
        by_phone = phone and body.get("mode") == login.code_sent
        known = by_phone or (not phone and (login.code_shown or unasked))
        if not known or body.get("securityCode", {}).get("code") != account.code:
            text = "Incorrect verification code."
            return _errors(400, "-21669", text, key="service_errors")
        login.verified = True
        headers = self._headers(login, token=True)
        if account.accepts_with is not None:
            return _accepted(account, headers)
        if phone:
            return json_answer(self._to_phone(login.code_sent), 200, headers)
        return Answer(204, headers)

    def _security_key(self, request: Request) -> Answer:
        login = self._login(request)
        if login is None:
            return _no_session()
        challenge, login.fido = login.fido, ""  # good for one touch
        if not challenge or not self.key.check(request.json(), challenge):
            status = self._account.touch_refusal
            return _errors(status, "-27962", "Failed to verify security key.")
        login.verified = True
        headers = self._headers(login, token=True)
        if self._account.touch_answer in {204, 250}:
            return Answer(self._account.touch_answer, headers)
        body = {"authType": "hsa2", "hasError": False}
        return json_answer(body, self._account.touch_answer, headers)

    def _trust(self, request: Request) -> Answer:
        login = self._login(request)
        if login is None or not login.verified:
            return _no_session()
        headers = self._headers(login, token=True)
        return Answer(204, {**headers, "X-Apple-TwoSV-Trust-Token": self._account.trust()})

    def _login(self, request: Request) -> Login | None:
        login = self._account.login_of(request)
        return login if login is not None and login.password_right else None

    def _headers(self, login: Login, *, token: bool = False) -> dict[str, str]:
        headers = {
            "scnt": login.scnt,
            "X-Apple-ID-Session-Id": login.session_id,
            "X-Apple-Auth-Attributes": secrets.token_urlsafe(40),
            "X-Apple-ID-Account-Country": self._account.country,
            "X-Apple-TwoSV-Trust-Eligible": "true",
            "X-Apple-I-Request-ID": str(uuid.uuid4()),
        }
        if token:
            headers["X-Apple-Session-Token"] = self._account.token_for(login)
        if login.verified:
            headers["X-Apple-OAuth-Grant-Code"] = secrets.token_urlsafe(32)
        return headers


def _phone(account: Account) -> dict[str, Any]:
    return {
        "numberWithDialCode": "+1 (•••) •••-••81",
        "pushMode": account.phone_mode,
        "obfuscatedNumber": "(•••) •••-••81",
        "lastTwoDigits": "81",
        "id": 1,
    }


def _phones(account: Account) -> dict[str, Any]:
    phone = _phone(account)
    return {
        "trustedPhoneNumbers": [phone],
        "trustedPhoneNumber": phone,
        "securityCode": {
            "length": 6,
            "tooManyCodesSent": False,
            "tooManyCodesValidated": False,
            "securityCodeLocked": False,
            "securityCodeCooldown": False,
        },
        "authenticationType": "hsa2",
        "hsa2Account": True,
        "supportsRecovery": True,
        **dict.fromkeys(_OFF, False),
        **dict.fromkeys(_HELP, "https://support.apple.com/kb/HT204921"),
    }


def _encode(data: bytes, *, url: bool = False) -> str:
    return (base64.urlsafe_b64encode(data).rstrip(b"=") if url else base64.b64encode(data)).decode()


def _errors(status: int, code: str, message: str, key: str = "serviceErrors") -> Answer:
    error = {"code": code, "title": message, "message": message, "suppressDismissal": False}
    return json_answer({key: [error], "hasError": True}, status)


def _accepted(account: Account, headers: dict[str, str]) -> Answer:
    """Apple's verdict on a code stands in the body, whatever the status (rclone #9488 for 409,
    icloudpd #1026 for 412)."""
    body = {
        "securityCode": {"code": account.code, "securityCodeLocked": False, "valid": True},
        "authenticationType": "hsa2",
        "hsa2Account": True,
    }
    return json_answer(body, account.accepts_with or 200, headers)


def _no_more_codes() -> Answer:
    text = "Too many incorrect verification codes. Try again later."
    error = {"code": "-21670", "title": "Too Many Codes", "message": text}
    return json_answer(
        {
            "service_errors": [error],
            "hasError": True,
            "securityCode": {"tooManyCodesValidated": True, "securityCodeLocked": True},
        },
        423,
    )


def _locked() -> Answer:
    return _errors(403, "-20209", "This Apple Account has been locked for security reasons.")


def _no_session() -> Answer:
    return _errors(401, "-20105", "Your session has ended. Sign in again.")

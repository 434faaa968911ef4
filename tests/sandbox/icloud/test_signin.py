"""Signing in: the password is really proven, second factors really asked for."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox.icloud import Account, ICloud
from tests.sandbox.icloud.client import SETUP, WebClient


def code_of(answer: requests.Response) -> str:
    body = answer.json()
    return str((body.get("serviceErrors") or body["service_errors"])[0]["code"])


@pytest.mark.parametrize("account", [Account(protocol="s2k"), Account(protocol="s2k_fo")])
def test_both_ways_to_stretch_a_password(cloud: ICloud) -> None:
    with WebClient() as client:
        _, answer = client.begin()
        assert answer.status_code == 200
        assert client.login().json()["hsaTrustedBrowser"] is True


def test_a_wrong_password_is_refused_and_too_many_lock_the_account(cloud: ICloud) -> None:
    for _ in range(5):
        with WebClient(password="wrong") as client:
            _, answer = client.begin()
            assert (answer.status_code, code_of(answer)) == (401, "-20101")
    with WebClient(password="wrong") as client:
        client.begin()
    with WebClient() as client:
        _, answer = client.begin()
        assert (answer.status_code, code_of(answer)) == (403, "-20209")


def test_an_unknown_name_is_like_a_wrong_password(cloud: ICloud) -> None:
    with WebClient("nobody@example.com") as client:
        _, answer = client.begin()
        assert code_of(answer) == "-20101"


@pytest.mark.parametrize("account", [Account(second_factor="sms")])
def test_a_code_by_sms(cloud: ICloud, account: Account) -> None:
    with WebClient() as client:
        _, answer = client.begin()
        assert (answer.status_code, answer.json()["authType"]) == (409, "hsa2")
        phone = {"phoneNumber": {"id": 1}, "mode": "sms"}
        early = {**phone, "securityCode": {"code": account.code}}
        assert client.auth("POST", "/verify/phone/securitycode", early).status_code == 412
        assert client.auth("PUT", "/verify/phone", phone).ok
        wrong = client.auth(
            "POST", "/verify/phone/securitycode", {**phone, "securityCode": {"code": "000000"}}
        )
        assert (wrong.status_code, code_of(wrong)) == (400, "-21669")
        assert client.auth("GET", "/2sv/trust").status_code == 401
        assert client.auth("POST", "/verify/phone/securitycode", early).ok
        assert client.auth("GET", "/2sv/trust").status_code == 204
        assert client.login().json()["hsaTrustedBrowser"] is True
        trust = client.trust
    with WebClient() as again:
        again.trust = trust
        assert again.begin()[1].status_code == 200  # trusted: no code asked for
    cloud.expire_sessions(forget_trust=True)
    with WebClient() as later:
        later.trust = trust
        assert later.begin()[1].status_code == 409


@pytest.mark.parametrize("account", [Account(second_factor="sms", phone_mode="voice")])
def test_a_phone_that_takes_calls_only(cloud: ICloud, account: Account) -> None:
    with WebClient() as client:
        client.begin()
        (phone,) = client.auth("GET", "").json()["phoneNumberVerification"]["trustedPhoneNumbers"]
        assert phone["pushMode"] == "voice"
        text, call = ({"phoneNumber": {"id": 1}, "mode": mode} for mode in ("sms", "voice"))
        assert code_of(client.auth("PUT", "/verify/phone", text)) == "-28248"
        assert client.auth("PUT", "/verify/phone", call).ok
        typed = {"securityCode": {"code": account.code}}
        mixed = client.auth("POST", "/verify/phone/securitycode", {**text, **typed})
        assert code_of(mixed) == "-21669"
        assert client.auth("POST", "/verify/phone/securitycode", {**call, **typed}).ok


@pytest.mark.parametrize("account", [Account(second_factor="key")])
def test_a_security_key(cloud: ICloud) -> None:
    def touch() -> dict[str, str]:
        challenge = client.auth("GET", "").json()["fsaChallenge"]
        return cloud.signin.key.answer(challenge["challenge"])

    with WebClient() as client:
        client.begin()
        good = touch()
        bad = {**good, "signatureData": good["clientData"]}
        refused = client.auth("POST", "/verify/security/key", bad)
        assert (refused.status_code, code_of(refused)) == (400, "-27962")
        spent = client.auth("POST", "/verify/security/key", good)
        assert (spent.status_code, code_of(spent)) == (400, "-27962")
        accepted = client.auth("POST", "/verify/security/key", touch())
        assert accepted.status_code == 409 and "serviceErrors" not in accepted.json()
        assert client.auth("GET", "/2sv/trust").status_code == 204
        assert client.login().json()["hsaTrustedBrowser"] is True


@pytest.mark.parametrize("account", [Account(second_factor="device")])
def test_without_the_code_photos_stay_closed(cloud: ICloud) -> None:
    with WebClient() as client:
        client.begin()
        assert "ckdatabasews" not in client.login().json()["webservices"]
        assert client.cloudkit("zones/list", {}).status_code == 421


@pytest.mark.parametrize("account", [Account(repair="offered")])
def test_an_offer_to_decline(cloud: ICloud) -> None:
    with WebClient() as client:
        _, answer = client.begin()
        assert answer.status_code == 412 and not client.token
        assert client.auth("POST", "/repair/complete", {}, scnt="").status_code == 403
        assert client.auth("POST", "/repair/complete", {}).status_code == 200
        assert client.login().json()["hsaTrustedBrowser"] is True


@pytest.mark.parametrize("account", [Account(repair="demanded")])
def test_what_only_the_person_can_repair(cloud: ICloud) -> None:
    with WebClient() as client:
        client.begin()
        assert client.auth("POST", "/repair/complete", {}).status_code == 412
        assert not client.token


@pytest.mark.parametrize("account", [Account(hsa_version=0, trusts_browser=False)])
def test_without_a_second_factor_photos_are_open_to_a_browser_that_is_not_trusted(
    cloud: ICloud,
) -> None:
    with WebClient() as client:
        client.begin()
        state = client.login().json()
        assert (state["hsaTrustedBrowser"], state["hsaChallengeRequired"]) == (False, False)
        assert state["dsInfo"]["hsaVersion"] == 0 and "ckdatabasews" in state["webservices"]


def test_missing_headers_are_refused(cloud: ICloud) -> None:
    with WebClient() as client:
        del client.headers["X-Apple-Widget-Key"]
        assert client.auth("POST", "/signin/init", {}).status_code == 400


@pytest.mark.parametrize("account", [Account(protected=True, consent="ask")])
def test_data_protection_needs_consent_on_a_device(client: WebClient) -> None:
    def ask(name: str, **body: object) -> Any:
        return client.http.post(f"{SETUP}/{name}", json=body, params={"dsid": client.dsid}).json()

    assert client.cloudkit("zones/list", {}).json()["serverErrorCode"] == "ACCESS_DENIED"
    state = ask("requestWebAccessState")
    assert state == {
        "isICDRSDisabled": True,
        "isWebAccessAllowed": True,
        "isDeviceConsentedForPCS": False,
    }
    assert ask("requestPCS", appName="photos", derivedFromUserAction=True)["status"] == "failure"
    assert ask("enableDeviceConsentForPCS")["isDeviceConsentNotificationSent"]
    assert ask("requestPCS", appName="photos", derivedFromUserAction=True)["status"] == "success"
    assert client.cloudkit("zones/list", {}).ok


@pytest.mark.parametrize("account", [Account(terms=True), Account(web_access=False)])
def test_a_partial_session_lacks_its_cookie(cloud: ICloud) -> None:
    with WebClient() as client:
        client.begin()
        assert client.login().ok
        assert "X-APPLE-WEBAUTH-TOKEN" not in client.http.cookies
        refused = client.http.post(f"{SETUP}/requestWebAccessState")
        assert refused.status_code == 500
        assert refused.json()["error"] == "Missing X-APPLE-WEBAUTH-TOKEN cookie"


@pytest.mark.parametrize("account", [Account(china=True)])
def test_the_wrong_country_is_told_which_is_right(cloud: ICloud) -> None:
    with WebClient() as client:
        client.begin()
        answer = client.http.post(f"{SETUP}/accountLogin", json={"dsWebAuthToken": client.token})
        assert (answer.status_code, answer.json()) == (302, {"domainToUse": "iCloud.com.cn"})


@pytest.mark.parametrize("account", [Account(second_factor="device", shows_codes=False)])
def test_trusted_devices_show_a_code_when_asked(cloud: ICloud, account: Account) -> None:
    typed = {"securityCode": {"code": account.code}}
    address = "/verify/trusteddevice/securitycode"
    with WebClient() as client:
        client.begin()
        assert code_of(client.auth("POST", address, typed)) == "-21669"
        assert client.auth("PUT", address, typed).status_code == 400
        assert client.auth("PUT", address).status_code == 202
        assert client.auth("POST", address, typed).status_code == 204


@pytest.mark.parametrize("account", [Account(second_factor="sms", accepts_with=409)])
def test_a_refusing_status_may_come_with_a_valid_code(cloud: ICloud, account: Account) -> None:
    phone = {"phoneNumber": {"id": 1}, "mode": "sms"}
    typed = {**phone, "securityCode": {"code": account.code}}
    with WebClient() as client:
        client.begin()
        client.auth("PUT", "/verify/phone", phone)
        answer = client.auth("POST", "/verify/phone/securitycode", typed)
        assert (answer.status_code, answer.json()["securityCode"]["valid"]) == (409, True)
        assert client.auth("GET", "/2sv/trust").status_code == 204


@pytest.mark.parametrize("account", [Account(second_factor="device", codes_locked=True)])
def test_locked_codes_say_so(cloud: ICloud, account: Account) -> None:
    typed = {"securityCode": {"code": account.code}}
    with WebClient() as client:
        client.begin()
        answer = client.auth("POST", "/verify/trusteddevice/securitycode", typed)
        assert (answer.status_code, answer.json()["securityCode"]["securityCodeLocked"]) == (
            423,
            True,
        )

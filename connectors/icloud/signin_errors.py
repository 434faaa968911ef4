"""Why Apple does not let someone in, in one sentence that says what to do.

The numbers are Apple's ``serviceErrors`` codes as its sign-in pages receive them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyicloud.exceptions import (
    PyiCloud2SARequiredException,
    PyiCloudAcceptTermsException,
    PyiCloudAccountLockedException,
    PyiCloudConnectionException,
    PyiCloudException,
    PyiCloudNoTrustedNumberAvailable,
    PyiCloudSecurityKeyException,
    PyiCloudServiceNotActivatedException,
    PyiCloudTrustedDevicePromptException,
    PyiCloudTrustedDeviceVerificationException,
)

from connectors.errors import (
    Misconfigured,
    OutpourError,
    SessionExpired,
    Throttled,
    Transient,
)
from connectors.network_errors import causes, network_error, untrusted

WRONG_PASSWORD = -20101
_WRONG_CODE = -21669
_LATER = "wait some hours, then connect again"

_CODES = {
    WRONG_PASSWORD: (
        "Apple does not accept this account and password",
        "check the e-mail address and the password; an app-specific password does not work here",
    ),
    -20209: (
        "Apple has locked this account for security",
        "unlock it at https://iforgot.apple.com, then connect again",
    ),
    -20283: (
        "Apple does not accept this account and password",
        "sign in once at https://www.icloud.com with the same password, then connect again",
    ),
    -20751: (
        "Apple has disabled this account",
        "follow https://iforgot.apple.com, then connect again",
    ),
    _WRONG_CODE: (
        "Apple does not accept this code",
        "ask for a new code and type it within a minute",
    ),
    -22979: ("Apple has sent too many codes", _LATER),
    -22981: ("Apple cannot send a code now", "wait an hour, then connect again"),
    -27962: (
        "Apple does not accept this security key",
        "plug in one that is registered for this account (Settings > your name > "
        "Sign-In & Security > Security Keys on the iPhone), and no other; then connect again",
    ),
}

_NO_BRIDGE = (
    "the trusted devices cannot be asked for a code from here",
    "connect again and choose a text message or call, or try another network",
)
_KINDS: dict[type[PyiCloudException], tuple[str, str]] = {
    PyiCloudAccountLockedException: _CODES[-20209],
    PyiCloudAcceptTermsException: ("Apple's terms have changed and must be accepted", ""),
    PyiCloud2SARequiredException: (
        "this account uses the old two-step verification",
        "turn on two-factor authentication on the iPhone, then connect again",
    ),
    PyiCloudNoTrustedNumberAvailable: (
        "Apple has no phone number to send a code to",
        "add a trusted phone number at https://account.apple.com, then connect again",
    ),
    PyiCloudTrustedDevicePromptException: _NO_BRIDGE,
    PyiCloudTrustedDeviceVerificationException: _NO_BRIDGE,
    PyiCloudSecurityKeyException: (
        "the security key was not confirmed",
        "plug the key in, touch it when it blinks, and connect again",
    ),
}


def signin_error(error: BaseException, account: str, busy: Throttled | None = None) -> OutpourError:
    """The error to raise for what pyicloud raised while signing in.

    ``busy``: Apple asked to come back later during this attempt.
    """
    connect = f"run: outpour connect icloud:{account}"
    chain = list(causes(error))
    if isinstance(error, OutpourError):
        return error
    if (fatal := untrusted(error, "iCloud")) is not None:
        return fatal
    if busy is not None:
        return Throttled(
            f"Apple refuses sign-ins for the moment ({busy})",
            retry_after=busy.retry_after,
            hint="wait a while, then run again",
        )
    if turned_away(error):
        return Transient("Apple does not begin the sign-in (401)", hint="run again later")
    for known in chain:
        if isinstance(known, PyiCloudConnectionException):
            return network_error(known.__cause__ or known, "iCloud")
        for kind, (message, todo) in _KINDS.items():
            if isinstance(known, kind):
                return SessionExpired(message, hint=todo or connect)
        if isinstance(known, PyiCloudServiceNotActivatedException):
            return Misconfigured(
                "this account has no iCloud Photos on the web",
                hint="sign in at https://www.icloud.com once and open Photos there",
            )
    return _by_answer(chain, connect)


def _by_answer(chain: list[BaseException], connect: str) -> OutpourError:
    if any(_codes_are_locked(answer) for answer in _answers(chain)):
        said = next((f" ({text})" for _, text in service_errors(chain) if text), "")
        return SessionExpired(f"Apple accepts no more codes for now{said}", hint=_LATER)
    for number, text in service_errors(chain):
        if number in _CODES:
            return SessionExpired(_CODES[number][0], hint=_CODES[number][1])
        if text:
            return SessionExpired(f"Apple says: {text} ({number})", hint=connect)
    for answer in _answers(chain):
        if answer.status_code == 412:
            return SessionExpired(
                "Apple wants something to be confirmed for this account",
                hint="sign in at https://account.apple.com and answer what it asks, or turn on "
                "two-factor authentication on the iPhone; then connect again",
            )
        if answer.status_code == 401:
            return SessionExpired(*_CODES[WRONG_PASSWORD][:1], hint=_CODES[WRONG_PASSWORD][1])
        if answer.status_code == 403:
            return SessionExpired(
                "Apple refuses this sign-in",
                hint="sign in at https://www.icloud.com once, then connect again",
            )
    return SessionExpired("nobody is signed in to iCloud, or the sign-in has expired", hint=connect)


def elsewhere(domain: str) -> Misconfigured:
    """The error for an account that Apple sends to another ``domain`` to sign in."""
    if domain.lower().endswith(".cn"):
        return Misconfigured(
            "this account belongs to iCloud in China mainland",
            hint="set china: true for this place, then connect again",
        )
    return Misconfigured(
        "this account is not in China mainland",
        hint="leave china out of this place's settings, then connect again",
    )


@contextmanager
def by_apple() -> Iterator[None]:
    """Around what pyicloud makes of answers: it reads them as Apple's without looking.

    Raises Transient when they are not: the login page of a network in a hotel or train, or
    what a filter puts in the place of a page.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Transient(
            "something between here and Apple answered instead of Apple",
            hint="If this network wants you to log in, do so in a browser; where a proxy or "
            "filter looks into connections, let it pass apple.com and icloud.com.",
        ) from error


def service_errors(chain: list[BaseException]) -> Iterator[tuple[int, str]]:
    """Apple's own (code, message) pairs in whatever answers the exceptions carry."""
    for answer in _answers(chain):
        for item in _complaints(answer):
            try:
                yield int(item["code"]), str(item.get("message") or "")
            except (KeyError, TypeError, ValueError, AttributeError):
                continue


def turned_away(error: BaseException) -> bool:
    """Whether Apple refused to begin, before it was told anything of the password: cookies or
    numbers of an earlier sign-in were no longer good (kei's pull request 226)."""
    chain = list(causes(error))
    first = next(_answers(chain), None)
    if first is None or first.status_code != 401 or any(service_errors(chain)):
        return False
    return str(first.url).partition("?")[0].endswith("/signin/init")


def offers_more(error: BaseException) -> bool:
    """Whether Apple, the password being right, offers something before it goes on: two-factor
    authentication to an account without (icloudpd's pull request 1015)."""
    answer = next(_answers(list(causes(error))), None)
    return (
        answer is not None
        and answer.status_code == 412
        and str(answer.url).partition("?")[0].endswith("/signin/complete")
    )


def wrong_password(error: BaseException) -> bool:
    """Whether trying another password could help."""
    chain = list(causes(error))
    codes = [number for number, _ in service_errors(chain)]
    if turned_away(error):
        return False
    return WRONG_PASSWORD in codes or (
        not codes and any(answer.status_code == 401 for answer in _answers(chain))
    )


def final(error: BaseException) -> bool:
    """Whether Apple itself refused, so that the same would be refused again."""
    chain = list(causes(error))
    latest = next(_answers(chain), None)
    if latest is None or turned_away(error):
        return False
    if latest.status_code == 403:  # without a code of Apple's own it may pass
        return any(service_errors(chain))
    return latest.status_code in {401, 412}


def wrong_code(error: BaseException) -> bool:
    """Whether another two-factor code could help."""
    chain = list(causes(error))
    if any(_codes_are_locked(answer) for answer in _answers(chain)):
        return False
    codes = [number for number, _ in service_errors(chain)]
    statuses = {answer.status_code for answer in _answers(chain)}
    return _WRONG_CODE in codes or bool(statuses & {400, 409}) or (not codes and 401 in statuses)


def valid_code(answer: Any) -> bool:
    """Whether Apple calls a two-factor code valid, whatever the answer's status."""
    return _verdict(answer).get("valid") is True


def accepted_touch(error: BaseException) -> bool:
    """Whether an answer with the status of a refusal takes the touch of a security key: without
    errors of Apple's in it 409 does (icloudpy's pull request 174), as does 412 of codes. The
    trust that is asked for next shows whether it really did."""
    answer = next(_answers(list(causes(error))), None)
    return answer is not None and answer.status_code in {409, 412} and not _complaints(answer)


def _codes_are_locked(answer: Any) -> bool:
    verdict = _verdict(answer)
    return bool(verdict.get("securityCodeLocked") or verdict.get("tooManyCodesValidated"))


def _verdict(answer: Any) -> dict[str, Any]:
    verdict = _json(answer).get("securityCode")
    return verdict if isinstance(verdict, dict) else {}


def _answers(chain: list[BaseException]) -> Iterator[Any]:
    for error in chain:
        answer = getattr(error, "response", None)
        if answer is not None:
            yield answer


def _complaints(answer: Any) -> list[Any]:
    body = _json(answer)
    found = body.get("serviceErrors") or body.get("service_errors")
    return found if isinstance(found, list) else []


def _json(answer: Any) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}

"""One Apple account: who it is, how it signs in, and which tokens are good."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field

from sandbox.icloud.srp import Exchange
from sandbox.icloud.wire import MOST_RECORDS
from sandbox.messages import Request

GIB = 1 << 30
PARTITION = "p61"
TOKEN = "X-APPLE-WEBAUTH-TOKEN"
REPAIR = "X-APPLE-WEBAUTH-REPAIR"
_MOST_TRIES = 6


@dataclass(slots=True)
class Login:
    """One sign-in under way, known to the client by its ``scnt`` and session id."""

    exchange: Exchange
    scnt: str = field(default_factory=lambda: f"AAAA-{secrets.token_hex(24)}")
    session_id: str = field(default_factory=lambda: secrets.token_hex(32))
    challenge: str = field(default_factory=lambda: f"d-61-{secrets.token_hex(16)}:MSA")
    password_right: bool = False
    verified: bool = False
    code_sent: str = ""  # to the phone, by "sms" or "voice"
    code_shown: bool = False
    token: str = ""
    fido: str = ""


@dataclass
class Account:
    """All settings may be changed while the double runs.

    ``aliases`` are further names that ``apple_id`` may be signed in with.
    ``second_factor``: ``none``, ``two_step`` (what came before two-factor authentication),
    ``device`` (a code on trusted devices), ``bridge`` (the same, as Apple's web page asks for it:
    through a push channel, which is not served here), ``sms`` or ``key`` (a security key).
    An account without a second factor has ``hsa_version`` 0 or 1; without ``trusts_browser``
    Apple trusts no browser of it, nor asks it for anything. Without ``shows_codes`` trusted
    devices show a code only when asked, as since iOS 26.4; without ``texts`` none can be sent to
    the phone, and one whose ``phone_mode`` is ``voice`` rather than ``sms`` takes calls only.
    ``accepts_with`` is a status (409, 412) that a right code is answered with nevertheless.
    ``codes_locked``: too many codes were wrong. ``touch_answer`` is the status that the touch of
    the right security key is answered with (409: icloudpy #174; 250 is Apple's own for a second
    factor that is done; 204 is what other clients take), ``touch_refusal`` that of any other.
    ``repair`` is what Apple wants to be looked at before it goes on: ``offered`` (two-factor
    authentication, which may be declined and comes up at each sign-in) or ``demanded``.
    ``protected`` is Advanced Data Protection: photos need consent on a device (``consent``:
    given, ask, refused). ``web_access`` is Access iCloud Data on the Web; with it off, or with
    ``terms`` to accept, signing in gives no X-APPLE-WEBAUTH-TOKEN cookie; without
    ``terms_by_client`` only the person at icloud.com can accept them.
    ``total`` and ``other_used`` are bytes. ``usage_lag`` is how many reads of the storage
    figures still tell the old ones after a change. ``indexing``: Apple is not done with the
    library yet, as for hours or days after much was added. ``most_lookups`` are the most
    records it gives by name at once. ``turns_away`` before a sign-in begins, with 401 and no word:
    who comes with the numbers of an earlier one (``stale``), or everybody (``all``).
    """

    apple_id: str = "demo@example.com"
    password: str = "sandbox-password"
    aliases: tuple[str, ...] = ()
    dsid: str = "12345678901"
    country: str = "USA"
    second_factor: str = "none"
    hsa_version: int = 1
    trusts_browser: bool = True
    code: str = "654321"
    shows_codes: bool = True
    texts: bool = True
    phone_mode: str = "sms"
    accepts_with: int | None = None
    codes_locked: bool = False
    touch_answer: int = 409
    touch_refusal: int = 400
    protocol: str = "s2k"
    locked: bool = False
    repair: str = ""
    terms: bool = False
    terms_by_client: bool = True
    web_access: bool = True
    protected: bool = False
    consent: str = "given"
    total: int = 5 * GIB
    other_used: int = 300 << 20
    usage_lag: int = 0
    indexing: bool = False
    most_lookups: int = MOST_RECORDS
    turns_away: str = ""
    china: bool = False

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.logins: dict[str, Login] = {}
        self.tokens: dict[str, bool] = {}  # session token -> second factor given
        self.trusts: set[str] = set()
        self.cookies: dict[str, bool] = {}  # X-APPLE-WEBAUTH-TOKEN -> trusted
        self.repairs: set[str] = set()  # X-APPLE-WEBAUTH-REPAIR: good for accepting terms only
        self.keyless: set[str] = set()  # X-APPLE-WEBAUTH-TOKEN whose PCS cookies are no good
        self.pcs = False
        self.tries = 0
        self.codes_sent = 0  # by text message or call
        self.codes_shown = 0  # on trusted devices, because they were asked to
        self.logins_made = 0

    @property
    def zone_tail(self) -> str:
        return "icloud.com.cn" if self.china else "icloud.com"

    def host(self, service: str) -> str:
        return f"https://{PARTITION}-{service}.{self.zone_tail}:443"

    def expire_sessions(self, *, forget_trust: bool = False) -> None:
        """Every signed-in client is out; with ``forget_trust`` it needs a code again too."""
        with self.lock:
            self.cookies.clear()
            self.repairs.clear()
            self.tokens.clear()
            self.logins.clear()
            self.pcs = False
            if forget_trust:
                self.trusts.clear()

    def expire_challenges(self) -> None:
        """Security keys must be asked anew: what they were to sign is too old."""
        with self.lock:
            for login in self.logins.values():
                login.fido = ""

    def wrong_password(self) -> bool:
        """Counts a failed try; True when that locked the account."""
        with self.lock:
            self.tries += 1
            self.locked = self.locked or self.tries >= _MOST_TRIES
            return self.locked

    def begin(self, exchange: Exchange) -> Login:
        with self.lock:
            login = Login(exchange)
            self.logins[login.challenge] = login
            return login

    def login_of(self, request: Request) -> Login | None:
        """The sign-in a request's headers belong to."""
        session = request.headers.get("x-apple-id-session-id")
        scnt = request.headers.get("scnt")
        with self.lock:
            for login in self.logins.values():
                if login.scnt == scnt and login.session_id == session:
                    return login
        return None

    def token_for(self, login: Login) -> str:
        with self.lock:
            token = secrets.token_urlsafe(48)
            self.tokens[token] = login.verified
            login.token = token
            return token

    def trust(self) -> str:
        with self.lock:
            token = "HSARM" + secrets.token_urlsafe(60)
            self.trusts.add(token)
            return token

    def cookie(self, trusted: bool) -> str:
        with self.lock:
            value = f"v=2:t=EQ==BST_{secrets.token_urlsafe(30)}~"
            self.cookies[value] = trusted
            self.logins_made += 1
            return value

    def repair_cookie(self) -> str:
        with self.lock:
            value = f"v=1:t=EQ==BST_{secrets.token_urlsafe(30)}~"
            self.repairs.add(value)
            return value

    def signed_in(self, request: Request) -> bool | None:
        """Trusted (True) or not (False) by the request's cookies; None when not signed in."""
        return self.cookies.get(cookies_of(request).get(TOKEN, ""))


def cookies_of(request: Request) -> dict[str, str]:
    found = {}
    for part in request.headers.get("cookie", "").split("; "):
        name, _, value = part.partition("=")
        found[name] = value.strip('"')
    return found

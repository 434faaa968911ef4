"""The double of iCloud: one account, one library, every host, and a hand on the controls."""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Mapping

from sandbox.faults import Faults
from sandbox.icloud.account import Account
from sandbox.icloud.cloudkit import CloudKit
from sandbox.icloud.content import ContentHost
from sandbox.icloud.links import Links
from sandbox.icloud.setup import Setup
from sandbox.icloud.signin import SignIn
from sandbox.icloud.uploads import Uploads
from sandbox.library import Library
from sandbox.messages import Answer, Request, json_answer

FAULTS: Mapping[str, str] = {
    "flip_byte": "one bit of a file is wrong",
    "short_length": "half a file under an honest-looking Content-Length",
    "error_body": "200 with a 17-byte error instead of the file",
    "ignore_range": "the whole file with 200 where a range was asked for",
    "wrong_range": "206 with another range than was asked for",
    "range_416": "416 for a range that exists",
    "gone": "410 for a fresh address",
    "throttled_inside_200": "THROTTLED in the body of a 200",
    "short_page": "a page with fewer records than there are",
    "empty_page": "a page without records in the middle of a list",
    "split_pair": "an asset and its master on different pages",
    "duplicate_record": "a record twice, on this page and the next",
    "undecodable_field": "a field that cannot be decoded",
    "unpadded_name": "a file name in base64 without its padding",
    "plain_name": "a file name as it is, though it calls itself encrypted",
    "error_item": "an error in the place of one record",
    "unservable": "500 for every list and every change that would hold one asset",
    "bad_index": "400 'Index has invalid data' for a list, a count or the albums",
    "omitted_record": "a record is changed, and the answer says nothing of it",
    "busy_record": "a record asked for by its name comes as TRY_AGAIN_LATER",
    "refused_change": "a request to change is refused as a whole, with one of CloudKit's codes",
    "expired_session": "the session ends now",
    "refused_zone": "what is asked of one library is refused, with one of CloudKit's codes",
    "deleted_zone": "a library is listed as deleted",
    "failed_zone": "an error in the place of a library where they are listed",
    "nameless_zone": "a library is listed without its name",
    "split_zones": "libraries are listed one by one",
    "endless_zones": "a list of libraries promises more for ever",
    "shut_out": "421 for the photos, though the sign-in is good",
    "foreign_page": "200 with a page that is not Apple's: a hotel's login, a filter's notice",
    "bad_pcs": "the session's PCS cookies are no good any more: 500 until it is signed in anew",
    "wrong_size": "a record tells a wrong size",
    "cut_upload": "the connection ends in the middle of an upload's bytes",
    "lost_answer": "uploads are registered, and the connection ends without an answer",
    "no_original": "a record tells of an asset's smaller renditions, and of no original",
    "no_rendition": "a record tells of no smaller renditions",
    "private_facts": "moment, zone, burst and type stand in encrypted fields, vague beside them",
    "small_instructions": "an edited photo's record holds the instructions of the edit itself",
    "instructions": "an edited photo's record has the instructions of the edit as a file",
    "base": "an edited photo's record has a picture that the edit began with",
    "foreign_checksum": "a fingerprint of a scheme nobody can recompute",
}


class ICloud:
    """Serves ``library`` to ``account``; the sandbox's ``faults`` must be the same object.

    ``counts`` counts requests by kind (``query``, ``content``, ``signin``...); ``log`` keeps
    the last (kind, method and path) pairs.
    """

    hosts = (
        "idmsa.apple.com",
        "*.icloud.com",
        "*.icloud.com.cn",
        "*.icloud-content.com",
        "*.icloud-content.com.cn",
    )

    def __init__(
        self,
        library: Library | None = None,
        account: Account | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.library = library if library is not None else Library()
        self.account = account if account is not None else Account()
        self.faults = faults if faults is not None else Faults()
        self.counts: Counter[str] = Counter()
        self.log: deque[tuple[str, str]] = deque(maxlen=100_000)
        tail = ".cn" if self.account.china else ""
        self.links = Links(self.faults, f"https://cvws.icloud-content.com{tail}")
        self.signin = SignIn(self.account)
        self.setup = Setup(self.account, self._used)
        self.cloudkit = CloudKit(self.library, self.account, self.links, self.faults)
        self.uploads = Uploads(
            lambda: self.cloudkit.own, self.account, self._used, self.links.host, self.faults
        )
        self.cloudkit.indexed = self.uploads.indexed
        self.content = ContentHost(self.library, self.links, self.faults)
        self._usage: tuple[int, int] = (-1, 0)
        self._lock = threading.Lock()

    # --- the server's side ---------------------------------------------------------------

    def handle(self, request: Request) -> Answer:
        kind = kind_of(request.path)
        self.counts[kind] += 1
        self.log.append((kind, f"{request.method} {request.path}"))
        if self.faults.hit("foreign_page", self.fault_key(request)):
            return Answer(200, {"Content-Type": "text/html"}, b"<html>Welcome, guest</html>")
        try:
            if kind == "signin":
                return self.signin.handle(request)
            if kind == "setup":
                return self.setup.handle(request)
            if kind == "content":
                return self.content.handle(request)
            if kind == "upload":
                return self.uploads.handle(request)
            if kind == "other":
                return json_answer({"success": False, "error": 1}, 404)
            return self.cloudkit.handle(request)
        except (json.JSONDecodeError, UnicodeDecodeError):
            return json_answer({"reason": "Malformed JSON", "serverErrorCode": "BAD_REQUEST"}, 400)

    def fault_key(self, request: Request) -> str:
        """Sign-in and setup are met only by faults that name them (a leading ``!``)."""
        kind = kind_of(request.path)
        if kind == "content":
            return self.content.key(request)
        if kind in {"signin", "setup"}:
            return f"!{kind}{request.path}"
        return f"{kind}{request.path.partition('/production')[2]}"

    def fault_answer(self, name: str, request: Request) -> Answer | None:
        if kind_of(request.path) == "content":
            return json_answer({}, 503 if name == "unavailable" else 429)
        return self.cloudkit.refusal(name)

    # --- the hand on the controls --------------------------------------------------------

    def expire_sessions(self, *, forget_trust: bool = False) -> None:
        """Every signed-in client is answered 421 from now on."""
        self.account.expire_sessions(forget_trust=forget_trust)

    def expire_links(self) -> None:
        """Every address given out so far is answered 410 from now on."""
        self.links.ahead += self.links.lifetime + 1

    def migrate(self) -> None:
        """The person's own library is in a zone of another name from now on, as on some accounts
        (icloudpd's pull request 1367): the usual one is listed as deleted, and not found."""
        self.cloudkit.migrate()

    def empty_trash(self) -> int:
        """Recently Deleted is emptied, and only now its space is free; how many went."""
        trashed = [asset.id for asset in self.library if asset.trashed is not None]
        for asset_id in trashed:
            self.library.purge(asset_id)
        return len(trashed)

    def reset_counts(self) -> None:
        self.counts.clear()
        self.log.clear()

    def _used(self) -> int:
        with self._lock:
            seq = self.library.sequence
            if self._usage[0] != seq:
                self._usage = (seq, self.library.used())
            return self._usage[1]


_KINDS = (
    ("/appleauth/auth", "signin"),
    ("/setup/ws/1/", "setup"),
    ("/B/", "content"),
)


def kind_of(path: str) -> str:
    for prefix, kind in _KINDS:
        if path.startswith(prefix):
            return kind
    if path.startswith("/database/1/"):
        return {
            "records/query": "query",
            "records/lookup": "lookup",
            "records/modify": "modify",
            "internal/records/query/batch": "count",
            "zones/list": "zones",
            "changes/zone": "changes",
            "changes/database": "database_changes",
        }.get("/".join(path.split("/")[6:]), "cloudkit")
    if path.startswith(("/photosupload/", "/upload/")):
        return "upload"
    return "other"

"""A password that Apple refused is not tried again by every scheduled run.

Apple locks an account after a few wrong tries, and tells its owner of each sign-in that waits
for a code. So what Apple refused is noted beside the session, for this password only: another
one is tried at once, and ``outpour connect`` lifts it. The password itself is never written.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path

from connectors.errors import SessionExpired
from connectors.icloud.session import folder
from connectors.private import write_private


def check(account: str, password: str) -> None:
    """Raises SessionExpired, as it was noted, when Apple refused this password before."""
    try:
        noted = json.loads(_file(account).read_bytes())
        salt, known = bytes.fromhex(noted["salt"]), bytes.fromhex(noted["password"])
        refusal = SessionExpired(noted["message"], hint=noted["hint"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if hmac.compare_digest(known, _digest(password, salt)):
        raise refusal


def note(account: str, password: str, refusal: SessionExpired) -> None:
    """Have ``check`` raise ``refusal`` for this password from now on."""
    salt = os.urandom(16)
    noted = {
        "message": str(refusal),
        "hint": refusal.hint,
        "salt": salt.hex(),
        "password": _digest(password, salt).hex(),
    }
    write_private(_file(account), json.dumps(noted).encode())


def lift(account: str) -> None:
    """Forget what was noted; the password has just proven right."""
    _file(account).unlink(missing_ok=True)


def _file(account: str) -> Path:
    return folder(account) / "refused.json"


def _digest(password: str, salt: bytes) -> bytes:
    # Slow on purpose, so that the file is of little use for guessing.
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << 14, r=8, p=1)

"""The double of iCloud: sign-in, setup, CloudKit photos, content and uploads on loopback."""

from sandbox.icloud.account import Account
from sandbox.icloud.double import FAULTS, ICloud

__all__ = ["FAULTS", "Account", "ICloud"]

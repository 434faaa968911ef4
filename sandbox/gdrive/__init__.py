"""The double of Google Drive: API v3 with uploads, and Google's sign-in, on loopback.

drive = GoogleDrive()
with Sandbox([drive, drive.signin]) as sandbox: ...
"""

from sandbox.gdrive.double import FAULTS, GoogleDrive
from sandbox.gdrive.oauth import OAuthClient, SignIn
from sandbox.gdrive.store import SharedDrive, Store

__all__ = ["FAULTS", "GoogleDrive", "OAuthClient", "SharedDrive", "SignIn", "Store"]

"""The double of Dropbox: sign-in, upload sessions, commits, listings and downloads."""

from sandbox.dropbox.double import FAULTS, Dropbox
from sandbox.dropbox.signin import SCOPES, TEAM_SCOPES, SignIn

__all__ = ["FAULTS", "SCOPES", "TEAM_SCOPES", "Dropbox", "SignIn"]

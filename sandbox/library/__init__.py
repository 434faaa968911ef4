"""A reproducible photo library of real files, shared by the doubles of iCloud and the phone."""

from sandbox.library.content import Content, apple_fingerprint
from sandbox.library.library import VIEWS, Library
from sandbox.library.model import ROLES, Album, Asset, Event, File

__all__ = [
    "ROLES",
    "VIEWS",
    "Album",
    "Asset",
    "Content",
    "Event",
    "File",
    "Library",
    "apple_fingerprint",
]

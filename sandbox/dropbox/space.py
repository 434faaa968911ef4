"""One namespace, which is somebody's Dropbox or a team's: its files, and the routes to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.dropbox.browsing import Browsing
from sandbox.dropbox.sessions import Sessions
from sandbox.dropbox.tree import Tree
from sandbox.dropbox.uploads import Uploads
from sandbox.dropbox.wire import Route
from sandbox.faults import Faults
from sandbox.messages import Answer, Request

Handler = Callable[[Route, Request, Any], Answer]


_WRITE, _READ, _LIST = "files.content.write", "files.content.read", "files.metadata.read"
SCOPES = {
    "files/upload": _WRITE,
    "files/upload_session/start": _WRITE,
    "files/upload_session/start_batch": _WRITE,
    "files/upload_session/append_v2": _WRITE,
    "files/upload_session/append_batch": _WRITE,
    "files/upload_session/finish": _WRITE,
    "files/upload_session/finish_batch_v2": _WRITE,
    "files/list_folder": _LIST,
    "files/list_folder/continue": _LIST,
    "files/get_metadata": _LIST,
    "files/download": _READ,
    "files/create_folder_v2": _WRITE,
    "files/delete_v2": _WRITE,
}


class Space:
    """``handlers`` answer its routes, all that ``SCOPES`` says the scope of. What is being uploaded
    to it is known nowhere else."""

    def __init__(self, faults: Faults, *, keep: bool) -> None:
        self.tree = Tree()
        self.sessions = Sessions()
        self.uploads = Uploads(self.tree, self.sessions, faults, keep=keep)
        self.browsing = Browsing(self.tree, faults)
        self.handlers: dict[str, Handler] = {
            "files/upload": self.uploads.upload,
            "files/upload_session/start": self.uploads.start,
            "files/upload_session/start_batch": self.uploads.start_batch,
            "files/upload_session/append_v2": self.uploads.append,
            "files/upload_session/append_batch": self.uploads.append_batch,
            "files/upload_session/finish": self.uploads.finish,
            "files/upload_session/finish_batch_v2": self.uploads.finish_batch,
            "files/list_folder": self.browsing.list_folder,
            "files/list_folder/continue": self.browsing.list_folder_continue,
            "files/get_metadata": self.browsing.get_metadata,
            "files/download": self.browsing.download,
            "files/create_folder_v2": self.browsing.create_folder,
            "files/delete_v2": self.browsing.delete,
        }

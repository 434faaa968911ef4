"""Names that a person's files have stay theirs, and every photo of ours finds one all the same."""

from __future__ import annotations

from pipeline.states import Exit
from tests.local.rig import Folders


def test_a_copy_comes_back_though_its_owner_changed_those_of_every_name_it_had(
    folders: Folders,
) -> None:
    for n, text in enumerate((b"A", b"BB", b"CCC")):
        folders.put("IMG_1.jpg", text)
        folders.run()
        assert len(folders.held()) == n + 1, "each edit beside what was there"
    for n in range(3):
        ours = next(path for path, data in folders.held().items() if data == b"CCC")
        (folders.to / ours).write_bytes(f"changed by a person, {n}".encode())
        assert folders.verify() == Exit.ITEMS_FAILED
        folders.run()
        assert sum(data == b"CCC" for data in folders.held().values()) == 1
        assert len(folders.held()) == 4 + n, "what the person made of it stays"

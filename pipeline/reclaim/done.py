"""What a reclaim, or what brings it back, has reached."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.stopping import Stop, Stopped


@dataclass
class Done:
    """What was reached. ``withdrawn`` assets lacked proof, ``refused`` ones the source kept;
    both with the reason. Of ``unclear`` ones the answer was lost: the next run will know."""

    run: int
    assets: int = 0
    bytes: int = 0
    withdrawn: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    unclear: int = 0
    error: Exception | None = None
    interrupted: bool = False

    @contextlib.contextmanager
    def keeping(self, stop: Stop) -> Iterator[None]:
        """What ends the work inside stands here and is not raised: a person must be told what
        was done by then."""
        try:
            yield
        except Stopped:
            self.error, self.interrupted = stop.error, stop.error is None
        except Exception as error:  # noqa: BLE001  (raised again once the rest is told)
            self.error = error

    @property
    def ended_early(self) -> bool:
        return self.interrupted or self.error is not None

    @property
    def whole(self) -> bool:
        """Whether all that was chosen is done."""
        return not (self.withdrawn or self.refused or self.unclear or self.ended_early)

"""A password in the environment, which is for one account."""

from __future__ import annotations

import os
from collections import defaultdict

from connectors.errors import Misconfigured
from pipeline.config.models import Place


class Passwords:
    """Which place each variable is for. Tried at every account, one password would lock out all
    but one."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Place]] = defaultdict(list)

    def check(self, *places: Place) -> None:
        """Misconfigured if a variable that is set would be tried at two accounts, counted over
        all calls."""
        for place in places:
            variable = place.connector.password
            if not variable or not os.environ.get(variable):
                continue
            known = self._seen[variable]
            for other in known:
                if place.same_as(other) is False:
                    both = f"{other.identity[1]} and at {place.identity[1]}"
                    raise Misconfigured(
                        f"{variable} is set, and would be tried at {both}",
                        hint="Unset it, and sign in to each once: outpour connect.",
                    )
            if not any(place.same_as(other) for other in known):
                known.append(place)

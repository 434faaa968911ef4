"""How much room the account has: its own, or its share of a team's."""

from __future__ import annotations

from typing import Any

from dropbox.exceptions import ApiError

from connectors.abilities import Capacity
from connectors.dropbox.client import Client, speaking
from connectors.errors import Transient


def capacity(client: Client) -> Capacity:
    """Read afresh. Raises Transient, SessionExpired."""
    try:
        with speaking("a look at the space"):
            usage = client.users_get_space_usage()
    except ApiError as error:
        raise Transient("Dropbox does not tell its space") from error
    return _capacity(usage)


def _capacity(usage: Any) -> Capacity:
    used, allocation = int(usage.used), usage.allocation
    if allocation.is_individual():
        return _of(used, int(allocation.get_individual().allocated), {})
    if not allocation.is_team():
        return Capacity(used)  # a kind of account this SDK does not know
    team = allocation.get_team()
    shared = _of(int(team.used), int(team.allocated), {"yours": used})
    most = int(team.user_within_team_space_allocated)
    if not most or not team.user_within_team_space_limit_type.is_stop_sync():
        return shared  # the member has no limit of their own, or one that only warns
    own = _of(int(team.user_within_team_space_used_cached), most, {"yours": used})
    return own if (own.free or 0) < (shared.free or 0) else shared


def _of(used: int, total: int, kinds: dict[str, int]) -> Capacity:
    free = max(0, total - used)
    return Capacity(used, total, free, kinds, full=free == 0)

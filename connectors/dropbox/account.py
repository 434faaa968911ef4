"""Whose Dropbox it is: the person who signed in, or a member whom a team's sign-in acts for.

Sources: Dropbox's guides on authentication types (Dropbox-API-Select-User), on path root
header modes and on team files.
"""

from __future__ import annotations

import json
from typing import Any

from dropbox import team
from dropbox.dropbox_client import PATH_ROOT_HEADER, SELECT_USER_HEADER
from dropbox.exceptions import ApiError

from connectors.dropbox.auth import Grant
from connectors.dropbox.client import Client, speaking
from connectors.dropbox.settings import DropboxSettings
from connectors.errors import Misconfigured, Transient


def settle(client: Client, settings: DropboxSettings, grant: Grant) -> str:
    """Have all later requests of the client act for whom, and in whose space, the settings say.

    Answers what tells that place from others: the account's id, or the space's. Asks nothing for
    a person's own Dropbox. Raises Misconfigured where there is no such member or team, Transient,
    SessionExpired.
    """
    account = grant.account
    if settings.impersonate:
        member = _member(client, settings.impersonate)
        client.always(SELECT_USER_HEADER, str(member.team_member_id))
        account = str(member.account_id)
    if not settings.team_space:
        return account
    found = person(client)
    if found.team_member_id is None:
        raise Misconfigured(
            f"{found.email} belongs to no team in Dropbox", hint="Remove 'team_space'."
        )
    root = str(found.root_info.root_namespace_id)
    if root == found.root_info.home_namespace_id:
        return account  # such a team's folders lie in the member's own top
    client.always(PATH_ROOT_HEADER, json.dumps({".tag": "root", "root": root}))
    return f"space:{root}"


def person(client: Client) -> Any:
    """The users.FullAccount that the client acts for."""
    try:
        with speaking("a look at the account"):
            return client.users_get_current_account()
    except ApiError as error:
        raise Transient("Dropbox does not tell whose account it is") from error


def _member(client: Client, address: str) -> Any:
    """The team.TeamMemberProfile of an address."""
    asked = team.MembersGetInfoV2Arg([team.UserSelectorArg.email(address)])
    try:
        with speaking("a look at the team's members"):
            answer = client.request(team.members_get_info_v2, "team", asked, None)
    except ApiError as error:
        raise Transient("Dropbox does not tell who is in the team") from error
    for item in answer.members_info:
        if item.is_member_info() and item.get_member_info().profile.account_id:
            return item.get_member_info().profile
    raise Misconfigured(
        f"nobody who has joined the team has the address {address}",
        hint="Check 'impersonate': it is the address that the member signs in to Dropbox with.",
    )

"""Members of a team, whose Dropbox an administrator's sign-in reaches, and the team's space.

Sources: Dropbox's guides on authentication types, on path root headers and on team files. What
is not shown: members' own folders inside the space, and a team's shared room.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from dropbox.common import PathRoot_validator
from stone.backends.python_rsrc.stone_validators import ValidationError

from sandbox.dropbox.signin import ACCOUNT
from sandbox.dropbox.wire import decode, no_such_root, plain, unauthorized
from sandbox.messages import Request

SPACE = "7788990"  # the namespace of the team's space
_WHOLE_TEAM = (
    "This API function operates on a single Dropbox account, but the OAuth 2 access token you "
    "provided is for an entire Dropbox Business team."
)


@dataclass(frozen=True)
class Member:
    """``home`` is the namespace of their own folder, ``id`` who they are in the team."""

    email: str
    account: str = ACCOUNT
    home: str = "3235641"
    id: str = "dbmid:" + "sandbox" * 5
    status: str = "active"

    @property
    def name(self) -> dict[str, str]:
        first = self.email.partition("@")[0].title()
        return {
            "given_name": first,
            "surname": "Example",
            "familiar_name": first,
            "display_name": f"{first} Example",
            "abbreviated_name": f"{first[0]}E",
        }


@dataclass
class Team:
    """``members`` besides the one whose account the double is. ``space`` says whether the team has
    a space of its own that all members see."""

    space: bool = False
    members: list[Member] = field(default_factory=list)

    @property
    def is_one(self) -> bool:
        """Whether there is a team at all."""
        return self.space or bool(self.members)

    def hire(self, email: str, status: str = "active") -> Member:
        number = len(self.members) + 1
        account = f"dbid:{'member':0<34}{number}" if status == "active" else ""
        made = Member(email, account, f"4{number:06}", f"dbmid:{'member':0<34}{number}", status)
        self.members.append(made)
        return made

    def acting(self, request: Request, owner: Member, *, of_team: bool) -> Member:
        """For whom a request to a person's route is."""
        asked = request.headers.get("dropbox-api-select-user")
        if not of_team:
            if asked:
                raise plain(400, "Dropbox-API-Select-User: not with a user's token", "select_user")
            return owner
        if not asked:
            raise plain(400, _WHOLE_TEAM, "whole_team")
        for member in (owner, *self.members):
            if member.id == asked and member.status == "active":
                return member
        raise unauthorized("invalid_select_user")

    def root(self, request: Request, member: Member) -> str:
        """The namespace that a request's paths start in."""
        header = request.headers.get("dropbox-api-path-root")
        if not header:
            return member.home
        try:
            asked = decode(PathRoot_validator, json.loads(header), strict=True)
        except (ValueError, ValidationError) as error:
            raise plain(400, f"Dropbox-API-Path-Root: {error}", "bad_root") from None
        if asked.is_home():
            return member.home
        top = SPACE if self.space else member.home
        if asked.is_root():
            if asked.get_root() != top:
                raise no_such_root({".tag": "invalid_root", "invalid_root": self.roots(member)})
            return top
        if asked.get_namespace_id() not in (member.home, top):
            raise no_such_root({".tag": "no_permission"})
        return str(asked.get_namespace_id())

    def roots(self, member: Member) -> dict[str, Any]:
        """JSON of the member's common.RootInfo."""
        home = {"home_namespace_id": member.home}
        if not self.space:
            return {".tag": "user", "root_namespace_id": member.home, **home}
        path = f"/{member.name['display_name']}"
        return {".tag": "team", "root_namespace_id": SPACE, "home_path": path, **home}

    def look_up(self, asked: list[Any], owner: Member, *, first: bool) -> list[dict[str, Any]]:
        """JSON of what members/get_info answers for team.UserSelectorArgs, by address or id;
        ``first`` is its first version."""
        return [self._told(selector, owner, first=first) for selector in asked]

    def _told(self, selector: Any, owner: Member, *, first: bool) -> dict[str, Any]:
        value = str(selector._value)
        by_email = selector.is_email()
        for member in (owner, *self.members):
            known = member.email.lower() if by_email else member.id
            if known == (value.lower() if by_email else value):
                role: dict[str, Any] = {"role": {".tag": "member_only"}} if first else {"roles": []}
                return {".tag": "member_info", "profile": _profile(member), **role}
        return {".tag": "id_not_found", "id_not_found": value}


def _profile(member: Member) -> dict[str, Any]:
    made: dict[str, Any] = {
        "team_member_id": member.id,
        "email": member.email,
        "email_verified": True,
        "status": {".tag": member.status},
        "name": member.name,
        "membership_type": {".tag": "full"},
        "groups": [],
        "member_folder_id": member.home,
        "root_folder_id": SPACE,
    }
    return {**made, "account_id": member.account} if member.account else made

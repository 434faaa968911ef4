"""Signed requests to Drive: adds the access token, renews it in mid-run, names refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httplib2
import urllib3

from connectors.errors import Transient
from connectors.gdrive.auth import Auth
from connectors.gdrive.errors import error_of, message_of
from connectors.gdrive.transport import Answer, RequestBody, Transport
from connectors.network_errors import network_error

_PIECE = 1024 * 1024


class Channel:
    """Thread-safe. ``request`` is what Google's client calls in place of httplib2."""

    def __init__(self, transport: Transport, auth: Auth, root: str) -> None:
        self._transport = transport
        self._auth = auth
        self._root = root

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> tuple[httplib2.Response, bytes]:
        data = body.encode() if isinstance(body, str) else body
        fields = {name: value for name, value in (headers or {}).items() if name != "user-agent"}
        answer = self.send(method, uri, fields, data)
        return httplib2.Response({**answer.headers, "status": str(answer.status)}), answer.data

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: RequestBody = None
    ) -> Answer:
        """One request, signed; a second one where the first showed that the token is spent."""
        token = self._token(url)
        answer = self._transport.send(method, url, self._signed(headers, token), body)
        if answer.status == 401 and token:
            self._auth.renew(token)
            answer = self._transport.send(
                method, url, self._signed(headers, self._token(url)), body
            )
            _check_renewed(answer.status, answer.data)
        return answer

    def stream(self, url: str, doing: str) -> Iterator[bytes]:
        """The body of a GET, in pieces of at most 1 MiB."""
        response = self._get(url)
        try:
            if response.status != 200:
                fields = {name.lower(): value for name, value in response.headers.items()}
                raise error_of(response.status, fields, response.read(), doing)
            yield from response.stream(_PIECE)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise network_error(error, "Google Drive") from error
        finally:
            response.close()

    def _get(self, url: str) -> urllib3.BaseHTTPResponse:
        token = self._token(url)
        response = self._transport.open("GET", url, self._signed({}, token))
        if response.status == 401:
            response.close()
            self._auth.renew(token)
            response = self._transport.open("GET", url, self._signed({}, self._token(url)))
            if response.status == 401:
                response.close()
            _check_renewed(response.status)
        return response

    def _token(self, url: str) -> str:
        """Blank for an address elsewhere: upload sessions are keys by themselves."""
        return self._auth.token() if url.startswith(self._root) else ""

    @staticmethod
    def _signed(headers: Mapping[str, str], token: str) -> dict[str, str]:
        return {**headers, "authorization": f"Bearer {token}"} if token else dict(headers)


def _check_renewed(status: int, data: bytes = b"") -> None:
    """A sign-in that has ended gets no new token, so it is not that: it may just have been
    spent at once, and trying again will tell. Drive also says so where a Workspace has turned it
    off for the person."""
    if status == 401:
        said = message_of(data)
        raise Transient(
            "Google Drive does not take an access token that Google just gave"
            + (f": {said}" if said else ""),
            hint="If it stays so: is Drive turned on for this account, and the account active?",
        )

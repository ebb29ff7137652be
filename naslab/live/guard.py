"""What stands before every page: who may ask, for what, and what a browser may do with the answer."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Scripts come from files of this server alone, none from a page's text; styles are set by plotly within pages."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
COOKIE = "naslab_token"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Guard:
    """An ASGI application before another one, `app`: it lets GET and HEAD of a known `Host` pass, and the right token.

    `hosts` are the values of `Host` without a port, and an empty `token` asks for none. A token comes once as
    `?token=...` and then as a cookie, so that it stands in no later address.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], token: str = "") -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass a request on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                extra = {"Cache-Control": "no-store", **HEADERS}
                message["headers"] = [
                    *message["headers"],
                    *((k.lower().encode(), v.encode()) for k, v in extra.items() if k.lower().encode() not in given),
                ]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        answer: ASGIApp = self._app
        if not self._is_known(headers.get("host", "")):
            answer = PlainTextResponse("this page is not served under that Host", 403)
        elif headers.get("sec-fetch-site", "none") == "cross-site" and scope["path"] != "/":
            answer = PlainTextResponse("this is not for other sites", 403)
        elif scope["method"] not in ("GET", "HEAD"):
            answer = PlainTextResponse("only GET and HEAD: nothing can be changed here", 405, {"Allow": "GET, HEAD"})
        elif self._token:
            asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if self._is_token(asked):
                answer = RedirectResponse(scope["path"], 303)
                answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            elif not self._is_token(_cookie(headers.get("cookie", ""))):
                answer = PlainTextResponse("open the address with the token that naslab dashboard printed", 401)
        await answer(scope, receive, send_with_headers)

    def _is_known(self, host: str) -> bool:
        name, colon, port = host.rpartition(":")
        if not colon or host.endswith("]"):
            name, port = host, "0"
        return port.isdecimal() and name.lower() in self._hosts

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())


def _cookie(text: str) -> str:
    try:
        found = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value

"""What stands before every page: who may ask, for what, and what a browser may do with the answer."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, parse_qsl, quote, urlencode

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
    `?token=...` and then as a cookie, so that it stands in no later address. A server that listens `everywhere` also
    goes by the address that a request came in on: a number, which no other site can have as its name.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], token: str = "", everywhere: bool = False) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._token = token
        self._everywhere = everywhere

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
        if not self._is_known(headers.get("host", ""), scope):
            answer = PlainTextResponse("this page is not served under that Host", 403)
        elif headers.get("sec-fetch-site", "none") == "cross-site" and scope["path"] != "/":
            answer = PlainTextResponse("this is not for other sites", 403)
        elif scope["method"] not in ("GET", "HEAD"):
            answer = PlainTextResponse("only GET and HEAD: nothing can be changed here", 405, {"Allow": "GET, HEAD"})
        elif self._token:
            asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if self._is_token(asked):
                answer = RedirectResponse(_without_token(scope), 303)
                answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            elif not self._is_token(_cookie(headers.get("cookie", ""))):
                answer = PlainTextResponse("open the address with the token that naslab dashboard printed", 401)
        await answer(scope, receive, send_with_headers)

    def _is_known(self, host: str, scope: Scope) -> bool:
        name, colon, port = host.rpartition(":")
        if not colon or host.endswith("]"):
            name, port = host, "0"
        own = _address(scope) if self._everywhere else ""
        return port.isdecimal() and (name.lower() in self._hosts or name.lower() == own != "")

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())


def _address(scope: Scope) -> str:
    """The address that a request came in on as browsers write it in `Host`; empty where there is none."""
    server = scope.get("server")
    try:
        found = ipaddress.ip_address(str(server[0]).partition("%")[0] if server else "")
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return f"[{found}]" if found.ipv4_mapped is None else str(found.ipv4_mapped)


def _without_token(scope: Scope) -> str:
    """The path that was asked for on this server, with its query but for the token."""
    asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    rest = urlencode([(name, value) for name, value in asked if name != "token"], safe=",")
    return "/" + quote(scope["path"].lstrip("/")) + (f"?{rest}" if rest else "")


def _cookie(text: str) -> str:
    try:
        found = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value

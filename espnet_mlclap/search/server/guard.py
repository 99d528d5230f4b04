"""What stands before every request: the token, limits of size and frequency, and headers for browsers."""

import hmac
import json
import threading
import time
from collections import OrderedDict
from http.cookies import SimpleCookie
from typing import Any, Awaitable, Callable, Dict, List, Optional, Tuple
from urllib.parse import parse_qs, urlencode

from espnet_mlclap.search.server.settings import Settings

COOKIE = "mlclap_token"
_OPEN = frozenset({"/health"})  # without a token: for whoever watches over the server
_COUNTED = frozenset({"/search", "/similar"})
_MOST_CLIENTS = 10_000
_SMALL_BODY = 64 * 1024  # bytes, of everything but uploads
HEADERS = {
    # nothing from elsewhere, no script that is not a file of ours, in no other page's frame
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(), camera=(), geolocation=()",
}
_Messages = Callable[..., Awaitable[Any]]


class TooLargeError(Exception):
    """A request's body is longer than allowed."""


class Guard:
    """An ASGI application around another.

    Args:
        app: what answers when there is nothing to object to.
        settings: what is allowed.
        clock: seconds, for tests.
    """

    def __init__(
        self, app: _Messages, settings: Settings, clock: Callable[[], float] = time.monotonic
    ):
        self._app, self._settings = app, settings
        self._limiter = Limiter(settings.queries_per_minute / 60, settings.burst, clock)

    async def __call__(self, scope: Dict[str, Any], receive: _Messages, send: _Messages) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                more = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        refusal = self._refuse(scope)
        if refusal is not None:
            await _answer(send_with_headers, *refusal)
            return
        limit = (
            int(self._settings.max_upload_mb * 1e6) if scope["path"] == "/similar" else _SMALL_BODY
        )
        length = _header(scope, b"content-length")
        received = 0
        too_large = (
            f"This is too large; at most {limit / 1e6:g} MB are taken. Send a shorter piece."
        )
        if length.isdigit() and int(length) > limit:
            await _answer(send_with_headers, 413, too_large)
            return

        async def receive_some() -> Dict[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise TooLargeError(too_large)
            return message

        await self._app(scope, receive_some, send_with_headers)

    def _refuse(self, scope: Dict[str, Any]) -> Optional[Tuple]:
        """Status, message and headers of a refusal; None: let it pass."""
        token, path = self._settings.token, scope["path"]
        if token is not None and path not in _OPEN:
            query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            given = query.pop("token", [""])[-1]
            if path == "/" and _same(given, token):
                # into a cookie, and out of the address that may be shown or sent on
                rest = urlencode(query, doseq=True)
                cookie = f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"
                moved = {"Location": f"/?{rest}" if rest else "/", "Set-Cookie": cookie}
                return 303, "", moved
            if not (_same(_bearer(scope), token) or _same(_cookie(scope), token)):
                text = "A token is needed: open the address with ?token=... that the server has printed."
                return 401, text, {"WWW-Authenticate": "Bearer"}
        if path in _COUNTED:
            wait = self._limiter.wait((scope.get("client") or ("",))[0])
            if wait > 0:
                text = f"Too many queries; ask again in {wait:.0f} seconds."
                return 429, text, {"Retry-After": f"{wait:.0f}"}
        return None


class Limiter:
    """So many queries a second of each client on average, and some at once.

    Args:
        rate: queries per second.
        burst: at once.
        clock: seconds.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]):
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left: OrderedDict = OrderedDict()  # client -> (queries left, when that was)
        self._lock = threading.Lock()

    def wait(self, client: str) -> float:
        """0 if the client may ask now, which counts; or else for how many seconds not, at least 1."""
        with self._lock:
            now = self._clock()
            left, then = self._left.pop(client, (float(self._burst), now))
            left = min(left + (now - then) * self._rate, float(self._burst))
            allowed = left >= 1
            self._left[client] = (left - allowed, now)
            if len(self._left) > _MOST_CLIENTS:
                self._left.popitem(last=False)
            return 0.0 if allowed else max((1 - left) / self._rate, 1.0)


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _header(scope: Dict[str, Any], name: bytes) -> str:
    return dict(scope["headers"]).get(name, b"").decode("latin-1")


def _bearer(scope: Dict[str, Any]) -> str:
    kind, _, value = _header(scope, b"authorization").partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


def _cookie(scope: Dict[str, Any]) -> str:
    cookies: SimpleCookie = SimpleCookie()
    cookies.load(_header(scope, b"cookie"))
    return cookies[COOKIE].value if COOKIE in cookies else ""


async def _answer(
    send: _Messages, status: int, error: str, more: Optional[Dict[str, str]] = None
) -> None:
    body = json.dumps({"error": error}).encode() if error else b""
    headers: List[Tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in (more or {}).items()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""Numbers about the server in the form that Prometheus reads."""

import threading
import time
from collections import Counter
from typing import Any, Awaitable, Callable, Dict, List

_ROUTES = frozenset(("search", "similar", "library", "audio", "peaks", "health", "metrics", "page"))
_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)  # seconds


class Metrics:
    """Requests by route and status, and how long they took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter = Counter()
        self._within: Dict[str, List[int]] = {}
        self._seconds: Counter = Counter()

    def note(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        with self._lock:
            self._requests[route, status] += 1
            within = self._within.setdefault(route, [0] * len(_BOUNDS))
            for number, bound in enumerate(_BOUNDS):
                within[number] += seconds <= bound
            self._seconds[route] += seconds

    def text(self, gauges: Dict[str, float]) -> str:
        """All numbers, and `gauges` by their names."""
        lines = ["# TYPE mlclap_requests_total counter"]
        with self._lock:
            for (route, status), count in sorted(self._requests.items()):
                lines.append(f'mlclap_requests_total{{route="{route}",status="{status}"}} {count}')
            lines.append("# TYPE mlclap_request_seconds histogram")
            for route, within in sorted(self._within.items()):
                for bound, count in zip(_BOUNDS, within):
                    lines.append(
                        f'mlclap_request_seconds_bucket{{route="{route}",le="{bound}"}} {count}'
                    )
                total = sum(n for (name, _), n in self._requests.items() if name == route)
                lines += [
                    f'mlclap_request_seconds_bucket{{route="{route}",le="+Inf"}} {total}',
                    f'mlclap_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}',
                    f'mlclap_request_seconds_count{{route="{route}"}} {total}',
                ]
        for name, value in gauges.items():
            lines += [f"# TYPE mlclap_{name} gauge", f"mlclap_{name} {value:g}"]
        return "\n".join(lines) + "\n"


class Measured:
    """An ASGI application around another, which counts its answers.

    Args:
        app: what answers.
        metrics: where it is counted.
    """

    def __init__(self, app: Callable[..., Awaitable[Any]], metrics: Metrics):
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Dict[str, Any], receive: Callable, send: Callable) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def send_noting(message: Dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            first = scope["path"].split("/")[1] or "page"
            route = first if first in _ROUTES else "other"
            self._metrics.note(route, status, time.perf_counter() - began)

"""The server: JSON over HTTP, the recordings of the library, and one page for people."""

import contextlib
import logging
import mimetypes
import tempfile
from pathlib import Path
from typing import Annotated, Any, AsyncIterator, Callable, Dict

from fastapi import Depends, FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError, StarletteHTTPException
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from pydantic import ValidationError

import espnet_mlclap
from espnet_mlclap.fileio.audio import AudioError
from espnet_mlclap.search.server.guard import Guard, TooLargeError
from espnet_mlclap.search.server.metrics import Measured, Metrics
from espnet_mlclap.search.server.peaks import read_peaks
from espnet_mlclap.search.server.schemas import (
    Answer,
    Health,
    LibraryInfo,
    Peaks,
    Problem,
    Search,
)
from espnet_mlclap.search.server.service import GoneError, Service
from espnet_mlclap.search.server.settings import Settings
from espnet_mlclap.utils.errors import UserError

PAGE = Path(__file__).with_name("page")
_PAGE_FILES = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "waveform.js": "text/javascript; charset=utf-8",
    "words.json": "application/json",
    "icon.svg": "image/svg+xml",
}
_PROBLEMS: Dict[Any, Dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 404, 413, 422, 429)
}


def create_app(load: Callable[[], Service], settings: Settings) -> Any:
    """The ASGI application.

    Args:
        load: gives the service; called once, when the server starts.
        settings: what is allowed.
    """
    metrics = Metrics()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = await run_in_threadpool(load)
        yield
        app.state.service.library.close()

    app = FastAPI(
        title="MLCLAP",
        version=espnet_mlclap.__version__,
        description="Find sounds with words, in any language.",
        lifespan=lifespan,
        docs_url=None,  # that page is from elsewhere
        redoc_url=None,
        responses=_PROBLEMS,
    )
    _add_routes(app, settings, metrics)
    _add_errors(app)

    guarded = Measured(Guard(app, settings), metrics)
    return TrustedHostMiddleware(guarded, allowed_hosts=list(settings.hosts))


def _service(request: Request) -> Service:
    return request.app.state.service


Served = Annotated[Service, Depends(_service)]


def _add_routes(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    def check(wanted: Search) -> Search:
        for name, value, most in (
            ("top", wanted.top, settings.max_top),
            ("offset and top", wanted.offset + wanted.top, settings.max_rank),
            ("words", max(len(wanted.words), len(wanted.minus)), settings.max_words),
        ):
            if value > most:
                raise UserError(f"{name}: {value} is too much; at most {most}.")
        return wanted

    @app.post("/search", response_model=Answer, summary="Search with words, or for more like a hit")
    def search(wanted: Search, service: Served) -> Answer:
        return service.search(check(wanted))

    @app.post(
        "/similar", response_model=Answer, summary="Search with a sound, and words if you like"
    )
    async def similar(
        request: Request,
        service: Served,
        wanted: str = Query("{}", description="as the body of /search, JSON"),
    ) -> Answer:
        """The body is the recording, any audio file."""
        try:
            question = check(Search.model_validate_json(wanted))
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from error
        with tempfile.NamedTemporaryFile(prefix="mlclap-upload-") as file:
            async for piece in request.stream():
                file.write(piece)
            file.flush()
            try:
                return await run_in_threadpool(service.search, question, Path(file.name))
            except AudioError as error:
                reason = str(error).replace(file.name, "your recording")
                raise UserError(reason) from error

    @app.get("/library", response_model=LibraryInfo, summary="What can be searched")
    def library(service: Served) -> LibraryInfo:
        return service.info()

    @app.get("/audio/{recording}", summary="A recording; byte ranges work", response_class=Response)
    def audio(recording: int, service: Served) -> FileResponse:
        path = service.file(recording)
        kind = mimetypes.guess_type(path.name)[0] or ""
        safe = kind if kind.startswith(("audio/", "video/")) else "application/octet-stream"
        return FileResponse(path, media_type=safe)

    @app.get("/peaks/{recording}", response_model=Peaks, summary="The outline of its waveform")
    def peaks(
        recording: int,
        service: Served,
        start: float = Query(ge=0),
        end: float = Query(gt=0, le=1e7),
        pieces: int = Query(200, ge=1, le=2000),
    ) -> Peaks:
        if end <= start:
            raise UserError(f"end: {end:g} must be after the start, {start:g}.")
        return read_peaks(service.file(recording), start, end, pieces)

    @app.get("/health", response_model=Health, summary="Does it work?")
    def health(service: Served) -> Health:
        return service.health()

    @app.get("/metrics", response_class=PlainTextResponse, summary="Numbers for Prometheus")
    def numbers(service: Served) -> str:
        now = service.health()
        return metrics.text({"recordings": now.recordings, "windows": now.windows})

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return _page_file("index.html")

    @app.get("/page/{name}", include_in_schema=False)
    def part(name: str) -> FileResponse:
        if name not in _PAGE_FILES:
            raise GoneError("There is no such page.")
        return _page_file(name)


def _page_file(name: str) -> FileResponse:
    headers = {"Cache-Control": "no-cache"}
    return FileResponse(PAGE / name, media_type=_PAGE_FILES[name], headers=headers)


def _add_errors(app: FastAPI) -> None:
    """Everything that goes wrong is told as `{"error": ...}`, without what only the log should say."""

    def answer(status: int, text: str) -> JSONResponse:
        return JSONResponse({"error": text}, status)

    @app.exception_handler(GoneError)
    def gone(_: Request, error: GoneError) -> JSONResponse:
        return answer(404, str(error))

    @app.exception_handler(UserError)
    def wrong(_: Request, error: UserError) -> JSONResponse:
        return answer(400, str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(422, _first_problem(error.errors()))

    @app.exception_handler(TooLargeError)
    def too_large(_: Request, error: TooLargeError) -> JSONResponse:
        return answer(413, str(error))

    @app.exception_handler(StarletteHTTPException)
    def other(_: Request, error: StarletteHTTPException) -> JSONResponse:
        return answer(error.status_code, str(error.detail))

    @app.exception_handler(500)
    def failed(request: Request, error: Exception) -> JSONResponse:
        logging.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(
            500, "Something went wrong here. Whoever runs the server finds it in its log."
        )


def _first_problem(errors: Any) -> str:
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return f"{where or 'request'}: {first['msg']}"

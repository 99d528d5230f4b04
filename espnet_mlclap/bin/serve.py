"""Serve a page and an API for searching a library of recordings.

Example:
    mlclap serve            # then open the address that it prints

It listens on this machine only, unless `--host` says otherwise; then every client needs a token.
"""

import argparse
import logging
import os
import secrets
import socket
import webbrowser
from typing import Optional, Sequence

from espnet_mlclap.search.options import (
    add_library_options,
    add_reranker_options,
    check_positive,
    find_model,
    open_library,
)
from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.errors import UserError

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(
        prog="mlclap serve", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: all of this machine's")
    add("--port", type=int, default=8080, help="to listen on; 0: any that is free")
    add("--open_browser", type=bool_option, default=False, help="open the page in a browser")
    add("--token", help="that clients must give (default: a new one, beyond this machine)")
    add("--queries_per_minute", type=float, default=120.0, help="of one client")
    add("--burst", type=int, default=30, help="queries that a client may send at once")
    add("--max_upload_mb", type=float, default=50.0, help="of a sound that is looked for")
    add_library_options(parser)
    add_reranker_options(parser)
    return parser


def serve(options: argparse.Namespace) -> None:
    """Load the model and answer until Ctrl-C."""
    import uvicorn

    from espnet_mlclap.search.server.app import create_app
    from espnet_mlclap.search.server.settings import Settings

    check_positive(options, "queries_per_minute", "burst", "max_upload_mb", "rerank_top")
    known = find_model(options)  # what is missing is said before anything is loaded
    here = options.host in _THIS_MACHINE
    token = options.token or (None if here else secrets.token_urlsafe(24))
    settings = Settings(
        token=token,
        hosts=Settings.hosts if here else ("*",),
        queries_per_minute=options.queries_per_minute,
        burst=options.burst,
        max_upload_mb=options.max_upload_mb,
    )
    listening = _listen(options.host, options.port)
    service = _load(options, known)
    listening.listen()  # whoever reads the address below may connect at once
    name = socket.gethostname() if options.host in ("0.0.0.0", "::") else options.host
    name = f"[{name}]" if ":" in name else name
    address = f"http://{name}:{listening.getsockname()[1]}/{f'?token={token}' if token else ''}"
    print(f"open {address}", flush=True)
    if options.open_browser:
        webbrowser.open(address)
    app = create_app(lambda: service, settings)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise UserError(f"--port {port}: must be from 0 to 65535. Give another --port.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--host {host} --port {port}: cannot listen there ({error}). Give another --port."
        ) from error
    return listening


def _load(options: argparse.Namespace, known):
    from espnet_mlclap.inference import MLCLAP
    from espnet_mlclap.search.rerank import Reranker
    from espnet_mlclap.search.server.service import Service

    logging.info("loading %s", known.model_dir)
    model = MLCLAP.from_pretrained(
        known.model_dir, model_file=known.model_file, device=options.device
    )
    library = open_library(options, known, model)
    reranker = None
    if options.reranker is not None:
        pairs = MLCLAP.from_pretrained(
            options.reranker, model_file=options.reranker_file, device=options.device
        )
        _ = pairs.pair_model  # says now that it has two towers only
        reranker = Reranker(pairs, options.rerank_top)
    service = Service(model, library, reranker)
    about = service.health()  # reads the index, so that the first question need not
    logging.info("%d recordings, %d windows, %s", about.recordings, about.windows, about.store)
    return service


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    # read when torch and faiss are imported: a thread that waits for others sleeps, and leaves its core to
    # whoever has work; on a busy machine an answer took ten times as long without
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    run_command(get_parser(), serve, arguments)


if __name__ == "__main__":
    main()

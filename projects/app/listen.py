"""Serve the page."""
import socket

import uvicorn
from starlette.types import ASGIApp

CONNECTIONS = 64  # at a time


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Args:
        host: Name or address.
        port: 0 takes any that is free.

    Raises:
        OSError: If it cannot be had; names host and port.
    """
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise OSError(f'cannot listen at {host}, port {port}: {error}; '
                      'choose others with --host and --port') from None


def make_server(app: ASGIApp) -> uvicorn.Server:
    """An HTTP server that logs no requests and trusts no proxy."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http='h11',
            ws='none',
            lifespan='off',
            log_level='warning',
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=3))

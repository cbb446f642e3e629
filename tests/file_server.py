"""A file server on this machine that misbehaves as it is told."""
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STALL = 5.  # seconds after which a stalled connection is closed


@dataclass
class FileServer:
    """What is served, and what was asked for.

    Attributes:
        content: The file.
        version: Its ETag; '' sends none.
        ranges: Whether parts are sent on request.
        cut: For each of the first requests, the number of bytes after which
            the connection is closed.
        stall: Go silent at that point instead of closing.
        length: Content-Length to announce; by default the true one.
        status: For each of the first requests, an error to answer.
        redirect: Where to send everyone who asks for another path than /end.
        page: Answer with this web page, but for /end.
        requests: (path, value of Range) of each request.
    """
    content: bytes
    version: str = '"1"'
    ranges: bool = True
    cut: list[int] = field(default_factory=list)
    stall: bool = False
    length: int | None = None
    status: list[int] = field(default_factory=list)
    redirect: str = ''
    page: Callable[[], bytes] | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ''
    stop: threading.Event = field(default_factory=threading.Event)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        wanted = handler.headers.get('Range', '')
        self.requests.append((handler.path, wanted))
        path = handler.path.partition('?')[0]
        if self.status:
            self._head(handler, self.status.pop(0), {'Content-Length': '0'})
        elif self.redirect and path != '/end':
            self._head(handler, 302, {
                'Location': self.redirect,
                'Content-Length': '0'
            })
        elif self.page and path != '/end':
            body = self.page()
            self._head(handler, 200, {
                'Content-Type': 'text/html',
                'Content-Length': str(len(body))
            })
            handler.wfile.write(body)
        else:
            self._send(handler, wanted)

    def _send(self, handler: BaseHTTPRequestHandler, wanted: str) -> None:
        start, total = 0, len(self.content)
        same = handler.headers.get('If-Range', self.version) == self.version
        part = re.fullmatch(r'bytes=(\d+)-', wanted)
        headers = {'ETag': self.version} if self.version else {}
        if part and self.ranges and same:
            start = int(part[1])
            if start >= total:
                self._head(handler, 416, {'Content-Length': '0'})
                return
            headers['Content-Range'] = f'bytes {start}-{total - 1}/{total}'
        length = total - start if self.length is None else self.length
        headers['Content-Length'] = str(length)
        self._head(handler, 206 if 'Content-Range' in headers else 200,
                   headers)
        end = start + self.cut.pop(0) if self.cut else total
        handler.wfile.write(self.content[start:end])
        handler.wfile.flush()
        if end < total and self.stall:
            self.stop.wait(STALL)
        handler.close_connection = True

    def _head(self, handler: BaseHTTPRequestHandler, status: int,
              headers: dict[str, str]) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()


@contextmanager
def serve(content: bytes, **behaviour) -> Iterator[FileServer]:
    """Serve on 127.0.0.1 while the context lasts."""
    files = FileServer(content, **behaviour)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def do_GET(self) -> None:  # noqa: N802
            try:
                files.answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    files.url = 'http://{}:{}'.format(*server.server_address[:2])
    thread = threading.Thread(
        target=server.serve_forever, kwargs=dict(poll_interval=.05))
    thread.start()
    try:
        yield files
    finally:
        files.stop.set()
        server.shutdown()
        thread.join(10)
        server.server_close()


def closed_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]

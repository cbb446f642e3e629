"""What the browser talks to.

Every request brings its picture, as the plain body, and nothing of it is kept:
no sessions, no files, no log of requests. A form would be written to temporary
files by its parser, and other sites could send one; they cannot send ``TYPE``
without asking first.
"""
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from .headers import SafeHeaders
from .models import Models
from .pictures import EXAMPLES, MAX_BYTES, draw_example, read_picture, to_png
from .views import VIEWS, Answer

PAGE = Path(__file__).parent / 'page'
TYPE = 'application/octet-stream'
BODY_SECONDS = 30  # in which a body has to arrive
WAITING = 8  # requests that wait for the models; more are refused
LOCAL = ('localhost', '127.0.0.1', '[::1]')
EVERYWHERE = ('0.0.0.0', '::')
# So much is read of a body that is too long: who is cut off while sending
# never sees the answer.
DISCARDED = 4 * MAX_BYTES
CLOSE = {'Connection': 'close'}  # what is left of a body is not read
TOO_LARGE = HTTPException(413, f'the picture has more than {MAX_BYTES} bytes',
                          CLOSE)


class Server:
    """The answers.

    Args:
        models: Run one after the other, never in two threads.
        hint: What to do when there is no model.
        body_seconds: In which the body of a request has to arrive.
    """

    def __init__(self,
                 models: Models,
                 hint: str,
                 body_seconds: float = BODY_SECONDS) -> None:
        self.models = models
        self.hint = hint
        self.body_seconds = body_seconds
        self._one = anyio.CapacityLimiter(1)

    async def page(self, request: Request) -> Response:
        """The page itself."""
        return FileResponse(PAGE / 'index.html')

    async def overview(self, request: Request) -> Response:
        """Models of each view, examples, and what is accepted."""
        return JSONResponse(
            dict(
                views={view: self.models.names(view)
                       for view in VIEWS},
                examples=list(EXAMPLES),
                hint=self.hint,
                max_bytes=MAX_BYTES,
                type=TYPE))

    async def example(self, request: Request) -> Response:
        """An embedded picture."""
        name = request.path_params['name']
        if name not in EXAMPLES:
            raise HTTPException(404, 'there is no such example')
        png = await self._work(lambda: to_png(draw_example(name)))
        return Response(png, media_type='image/png')

    async def picture(self, request: Request) -> Response:
        """An uploaded picture as it will be used: upright and not too large.
        """
        content = await self._body(request)
        png = await self._work(lambda: to_png(read_picture(content)))
        return Response(png, media_type='image/png')

    async def view(self, request: Request) -> Response:
        """Run a model on the picture in the body."""
        view = request.path_params['view']
        if view not in VIEWS:
            raise HTTPException(404, 'there is no such view')
        content = await self._body(request)
        query = dict(request.query_params)
        name = query.pop('model', '')
        return JSONResponse(await self._work(lambda: _packed(
            self.models.show(view, name, read_picture(content), query))))

    async def _work(self, function: Callable[[], Any]) -> Any:
        """Compute in a thread, one request after the other."""
        if self._one.statistics().tasks_waiting >= WAITING:
            raise HTTPException(503, 'too many requests wait already')
        return await run_sync(function, limiter=self._one)

    async def _body(self, request: Request) -> bytes:
        """The body of a request, if it is not too long and not too slow."""
        if request.headers.get('content-type') != TYPE:
            raise HTTPException(415, f'the picture is expected as {TYPE}')
        announced = request.headers.get('content-length', '')
        if announced.isdecimal() and int(announced[:20]) > DISCARDED:
            raise TOO_LARGE
        parts: list[bytes] = []
        size = 0
        try:
            with anyio.fail_after(self.body_seconds):
                async for part in request.stream():
                    size += len(part)
                    if size > DISCARDED:
                        break
                    if size > MAX_BYTES:
                        parts.clear()
                    else:
                        parts.append(part)
        except TimeoutError:
            raise HTTPException(408, 'the picture took too long to arrive',
                                CLOSE) from None
        except ClientDisconnect:
            raise HTTPException(400, 'the picture did not arrive') from None
        if size > MAX_BYTES:
            raise TOO_LARGE
        return b''.join(parts)


def _packed(answer: Answer) -> dict[str, Any]:
    """An answer as JSON has it."""
    pictures = {
        name:
        'data:image/png;base64,' + base64.b64encode(to_png(picture)).decode()
        for name, picture in answer.pictures.items()
    }
    return dict(pictures=pictures, note=answer.note, **answer.facts)


def _refuse(request: Request, error: Exception) -> Response:
    """What the user did wrong, as one sentence."""
    if isinstance(error, HTTPException):
        return JSONResponse(
            dict(error=error.detail), error.status_code, error.headers)
    return JSONResponse(dict(error=str(error)), 400)


def _failed(request: Request, error: Exception) -> Response:
    """What we did wrong; the terminal has the rest."""
    return JSONResponse(
        dict(error='this failed; the terminal of the page says why'), 500)


def make_app(models: Models,
             host: str = LOCAL[0],
             hint: str = '',
             body_seconds: float = BODY_SECONDS) -> Starlette:
    """The page and its answers as an ASGI application.

    Args:
        models: What can be chosen.
        host: Where it will listen. A browser must have asked for this name or
            this machine, so that no other site's name leads here.
        hint: What to do when there is no model.
        body_seconds: In which the body of a request has to arrive.
    """
    server = Server(models, hint, body_seconds)
    names = ['*'] if host in EVERYWHERE else [
        *LOCAL, f'[{host}]' if ':' in host else host
    ]
    return Starlette(
        routes=[
            Route('/', server.page),
            Route('/api/overview', server.overview),
            Route('/api/examples/{name}', server.example),
            Route('/api/picture', server.picture, methods=['POST']),
            Route('/api/{view}', server.view, methods=['POST']),
            Mount('/page', StaticFiles(directory=PAGE))
        ],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(
                TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)
        ],
        exception_handlers={
            HTTPException: _refuse,
            ValueError: _refuse,
            OSError: _refuse,
            Exception: _failed
        })

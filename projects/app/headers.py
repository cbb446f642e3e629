"""Headers of every response: nothing from elsewhere, nothing kept."""
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    'Content-Security-Policy':
    "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options':
    'nosniff',
    'Referrer-Policy':
    'no-referrer',
    'Cross-Origin-Resource-Policy':
    'same-origin',
    'Cache-Control':
    'no-store',
}


class SafeHeaders:
    """Adds ``HEADERS`` to every response of an application.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive,
                       send: Send) -> None:

        async def send_safe(message: Message) -> None:
            if message['type'] == 'http.response.start':
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_safe)

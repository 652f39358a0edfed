"""What every page of this project stands on: who may open it, its frame and style, its socket, its end.

    app = application("Review", lambda: routes, static=FOLDER / "static", token=token_for(host, token))
    serve(app, host, port, say=click.echo)

`application` puts routes of Starlette or FastAPI behind `Guard`, beside the shell's own files; `serve` prints
the address with the token and runs until Ctrl-C; `Hub` tells all open tabs what has changed. Pages extend
`templates/base.html`, import `/static/shell/shell.js`, and load nothing from elsewhere. No build step.
"""

from gan.web.shell.application import application
from gan.web.shell.guard import Guard
from gan.web.shell.serving import serve, token_for
from gan.web.shell.sockets import Hub

__all__ = ["Guard", "Hub", "application", "serve", "token_for"]

"""Try models on pictures, on a page in the browser.

    python tools/app.py [NAME ...] [--config CONFIG --checkpoint FILE]

offers models of the zoo by name, checkpoints of your own, and what `make demo`
has trained. The page is for this machine only, and keeps nothing.
"""
import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects.app import choices  # noqa: E402
from projects.app.listen import listen, make_server  # noqa: E402
from projects.app.models import Models  # noqa: E402
from projects.app.server import LOCAL, make_app  # noqa: E402

DEMO = 'work_dirs/demo'
HINT = ('No model yet. Train small ones with "make demo" (some minutes) and '
        '"make demo METHOD=mimdet", then start this page again; or name '
        'models of the zoo: make app MODELS="NAME ...".')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command-line arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'names',
        nargs='*',
        metavar='NAME',
        help='models of the zoo; their weights are downloaded and converted '
        'at first use')
    parser.add_argument(
        '--random',
        action='store_true',
        help='give the named models random weights in place of published ones')
    parser.add_argument(
        '--config',
        action='append',
        default=[],
        help='config of a checkpoint; may be repeated')
    parser.add_argument(
        '--checkpoint',
        action='append',
        default=[],
        help='checkpoint of the --config at the same place')
    parser.add_argument(
        '--demo',
        default=DEMO,
        help='folder of demonstrations (default: %(default)s)')
    parser.add_argument(
        '--host',
        default=LOCAL[1],
        help='address to listen at (default: %(default)s, this machine only)')
    parser.add_argument(
        '--port',
        type=int,
        default=7860,
        help='port, 0 for any (default: %(default)s)')
    return parser.parse_args(argv)


def find_choices(args: argparse.Namespace) -> Iterator[choices.Choice]:
    """The models that were asked for, and those of demonstrations."""
    if len(args.config) != len(args.checkpoint):
        raise ValueError(f'{len(args.config)} --config and '
                         f'{len(args.checkpoint)} --checkpoint are given; '
                         'they go together')
    for name in args.names:
        yield choices.from_zoo(name, args.random)
    for config, checkpoint in zip(args.config, args.checkpoint):
        yield choices.from_files(config, checkpoint)
    yield from choices.from_demo(args.demo)


def main(argv: list[str] | None = None) -> None:
    """Serve until Ctrl-C."""
    args = parse_args(argv)
    try:
        found = list(find_choices(args))
        app = make_app(Models(found), args.host, '' if found else HINT)
        sock = listen(args.host, args.port)
    except (ValueError, OSError) as error:
        sys.exit(f'app: error: {error}')
    if not found:
        print(HINT)
    if args.host not in LOCAL:
        print(f'warning: whoever reaches {args.host} can use this page; it '
              'asks for no password')
    host = f'[{args.host}]' if ':' in args.host else args.host
    print(f'http://{host}:{sock.getsockname()[1]} shows {len(found)} models; '
          'Ctrl-C ends it')
    sys.stdout.flush()
    try:
        make_server(app).run(sockets=[sock])
    except KeyboardInterrupt:
        pass


if __name__ == '__main__':
    main()

"""Find models of the zoo and download their weights.

    python tools/zoo.py list [PATTERN] [--task T] [--method M] [--has-weights]
    python tools/zoo.py show NAME
    python tools/zoo.py download NAME [--dest FOLDER] [--convert] [--offline]
"""
import argparse
import json
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
sys.path[0] = str(Path(__file__).resolve().parents[1])

from projects import zoo  # noqa: E402
from projects.zoo import listing  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--root', type=Path, default=zoo.ROOT, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest='command', required=True)

    lists = commands.add_parser('list', help='models, one on each line')
    lists.add_argument(
        'pattern', nargs='?', help='part of a name, or a glob pattern')
    lists.add_argument(
        '--task', help='folder of the recipe: pretrain, finetune, ...')
    lists.add_argument('--method', help='name of a collection')
    lists.add_argument(
        '--has-weights',
        action='store_true',
        help='only models whose weights can be downloaded')
    lists.add_argument('--json', action='store_true', help='all, as JSON')

    show = commands.add_parser('show', help='all about one model')
    show.add_argument('name')
    show.add_argument('--json', action='store_true', help='as JSON')

    download = commands.add_parser('download', help='weights of one model')
    download.add_argument('name')
    download.add_argument(
        '--dest', type=Path, help='folder to copy the file to')
    download.add_argument(
        '--convert', action='store_true', help='convert to our layout')
    download.add_argument(
        '--offline', action='store_true', help='take it from the cache only')
    download.add_argument(
        '--timeout',
        type=float,
        default=30.,
        help='seconds of silence that end an attempt (default: %(default)s)')
    download.add_argument(
        '--retries',
        type=int,
        default=5,
        help='failures in a row before giving up (default: %(default)s)')
    download.add_argument('--quiet', action='store_true', help='no bar')
    download.add_argument(
        '--allow-loopback', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def run_list(args: argparse.Namespace) -> None:
    """Print the chosen models."""
    entries = zoo.select(
        zoo.read_index(args.root), args.pattern, args.task, args.method,
        args.has_weights)
    if args.json:
        print(json.dumps([entry.as_dict() for entry in entries], indent=2))
    elif entries:
        print(listing.list_text(entries))
    else:
        sys.exit('zoo: no model fits')


def run_show(args: argparse.Namespace) -> None:
    """Print one model."""
    entry = zoo.find(args.name, args.root)
    print(
        json.dumps(entry.as_dict(), indent=2) if args.json else listing.
        show_text(entry))


def run_download(args: argparse.Namespace) -> None:
    """Download, and print where the file is."""
    # torch is imported for this alone
    from projects.zoo.cache import copy_to
    from projects.zoo.weights import download
    path = download(
        zoo.find(args.name, args.root),
        args.convert,
        offline=args.offline,
        allow_loopback=args.allow_loopback,
        timeout=args.timeout,
        retries=args.retries,
        quiet=args.quiet)
    print(path if args.dest is None else copy_to(path, args.dest))


def main(argv: list[str] | None = None) -> None:
    """Run a command; one line on an error."""
    args = parse_args(argv)
    commands = dict(list=run_list, show=run_show, download=run_download)
    try:
        commands[args.command](args)
    except (ValueError, OSError) as error:
        sys.exit(f'zoo: error: {error}')


if __name__ == '__main__':
    main()

"""Make the result tables of the config READMEs from their metafiles.

    python tools/make_tables.py [--check]
"""
import argparse
import os
import sys
from pathlib import Path

# the repository in place of tools/, whose folders would hide packages
ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from projects.zoo import fill_tables, read_metafile  # noqa: E402


def main(argv: list[str] | None = None) -> None:
    """Write the tables, or only tell whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--check',
        action='store_true',
        help='change nothing; fail if a table differs from its metafile')
    parser.add_argument(
        '--root', type=Path, default=ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    for metafile in sorted((args.root / 'configs').glob('*/metafile.yml')):
        readme = metafile.with_name('README.md')
        try:
            old = readme.read_text(encoding='utf-8')
            new = fill_tables(old, read_metafile(metafile))
        except (ValueError, OSError) as error:
            sys.exit(f'make_tables: error: {readme}: {error}')
        if new == old:
            continue
        if args.check:
            sys.exit(f'{readme} differs from {metafile.name}; run python '
                     'tools/make_tables.py')
        temporary = readme.with_name('README.md.tmp')
        temporary.write_text(new, encoding='utf-8')
        os.replace(temporary, readme)
        print(f'{readme} updated')


if __name__ == '__main__':
    main()

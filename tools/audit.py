"""Report known vulnerabilities of the packages in this environment.

    python -m pip install pip-audit    (once; it is not part of the set-up)
    python tools/audit.py
    python tools/audit.py --osv-url https://HOST/v1/query    (a mirror of OSV)

Exit    0 if none is known, 1 if there are some, 2 if nothing could be checked
"""
import argparse
import importlib.util
import json
import subprocess
import sys

NOT_CHECKED = 2


def audit(osv_url: str | None = None) -> tuple[list[str], list[str], int]:
    """What pip-audit says of the environment.

    Args:
        osv_url: Where OSV answers; None: PyPI is asked.

    Returns:
        A line for each vulnerability, packages that could not be checked,
        and the number of those that were.

    Raises:
        RuntimeError: If pip-audit is missing or does not reach its index.
    """
    if importlib.util.find_spec('pip_audit') is None:
        raise RuntimeError(
            'pip-audit is not installed; nothing was checked.\n'
            f'Install it with {sys.executable} -m pip install pip-audit')
    service = ['-s', 'osv', '--osv-url', osv_url] if osv_url else []
    done = subprocess.run([
        sys.executable, '-m', 'pip_audit', '--format', 'json',
        '--progress-spinner', 'off', *service
    ], capture_output=True, text=True)  # yapf: disable
    try:
        packages = json.loads(done.stdout)['dependencies']
    except ValueError:
        last = (done.stderr.strip() or 'no output').splitlines()[-1]
        raise RuntimeError('pip-audit does not reach the index of '
                           f'vulnerabilities; nothing was checked.\n{last}')
    found = [
        f'{package["name"]} {package["version"]}: {flaw["id"]}, fixed in '
        f'{", ".join(flaw["fix_versions"]) or "no release"}'
        for package in packages for flaw in package.get('vulns', [])
    ]
    skipped = [
        package['name'] for package in packages if 'skip_reason' in package
    ]
    return found, skipped, len(packages) - len(skipped)


def main(argv: list[str] | None = None) -> int:
    """Audit, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--osv-url', help='ask this server of OSV instead of PyPI')
    args = parser.parse_args(argv)
    try:
        found, skipped, checked = audit(args.osv_url)
    except RuntimeError as error:
        print(f'audit: {error}', file=sys.stderr)
        return NOT_CHECKED
    if not checked:
        print(
            'audit: the index knows none of the packages; nothing was '
            'checked. Is it reachable?',
            file=sys.stderr)
        return NOT_CHECKED
    print('\n'.join(found) or 'no known vulnerabilities')
    print(f'{checked} packages checked')
    if skipped:
        print(f'{len(skipped)} not known to the index: {", ".join(skipped)}')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())

"""The installed version. Imports nothing else, so that `spendmeter --version` starts quickly."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Return the version of the distribution `spendmeter`."""
    try:
        return version("spendmeter")
    except PackageNotFoundError:
        return "(not installed)"

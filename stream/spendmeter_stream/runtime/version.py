"""The installed version. Imports nothing else, so that `spendmeter --version` answers at once."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Return the version of the distribution `spendmeter`."""
    try:
        return version("spendmeter")
    except PackageNotFoundError:
        return "(not installed)"

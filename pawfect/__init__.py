"""Removes what does not belong in a pet photo and fills the area so that nobody can tell."""

from importlib.metadata import PackageNotFoundError, version

try:
    # Made from git's tags when the package was installed; pyproject.toml says how.
    __version__ = version("pawfect")
except PackageNotFoundError:
    # A source folder on the path that nothing installed.
    __version__ = "0.0.0"

# SPDX-License-Identifier: Apache-2.0
"""Folders of caches and downloads, in a checkout and in an installed copy."""

from pathlib import Path

import pytest

from hw.spec import folders

VARIABLES = ("BYTEMAC_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Home folder of a user without any of the environment variables."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """Installed copy, without a ``pyproject.toml``; returns the home folder."""
    monkeypatch.setattr(folders, "ROOT", home / "lib" / "site-packages")
    return home


def test_checkout_keeps_all_in_build(home: Path) -> None:
    assert folders.checkout() == folders.ROOT
    build = folders.ROOT / "build"
    assert (folders.cache("rtl"), folders.data("osu018")) == (build / "rtl", build / "osu018")
    assert folders.records() == folders.RECORDS == folders.ROOT / "reports" / "data"


def test_installed_copy_uses_the_folders_of_the_user(installed: Path) -> None:
    assert folders.checkout() is None
    assert folders.cache("rtl") == installed / ".cache/bytemac/rtl"
    assert folders.data("osu018") == installed / ".local/share/bytemac/osu018"
    assert folders.records() == installed / ".local/share/bytemac/records"


def test_xdg_variables_count_if_they_are_absolute(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/cache")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert folders.cache("rtl") == Path("/var/tmp/cache/bytemac/rtl")
    assert folders.data("osu018") == installed / ".local/share/bytemac/osu018"


@pytest.mark.parametrize("place", ["home", "installed"])
def test_own_variable_comes_first(
    place: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = request.getfixturevalue(place)
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/cache")
    monkeypatch.setenv("BYTEMAC_HOME", "~/own")
    assert folders.cache("rtl") == user / "own/rtl"
    assert folders.data("osu018") == user / "own/osu018"


def test_cell_library_is_found_where_it_is_downloaded(installed: Path) -> None:
    file = installed / ".local/share/bytemac/osu018" / folders.CELL_LIBRARY
    assert folders.cell_library() in (None, Path("/") / folders.CELL_LIBRARY)
    file.parent.mkdir(parents=True)
    file.touch()
    assert folders.cell_library() == file

"""Plugins: found by name among what is installed, and imported only where they are allowed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from mcp_context_resources.errors import ConfigurationError
from mcp_context_resources.plugins import allowed_readers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Install = Callable[..., None]

GROUP = "fresh_context.test_readers"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put packages with entry points of the group where Python finds what is installed."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def installed(package: str, code: str, **points: str) -> None:
        (tmp_path / f"{package}.py").write_text(code, encoding="utf-8")
        about = tmp_path / f"{package}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
        lines = [f"{name} = {package}:{attribute}" for name, attribute in points.items()]
        (about / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]), encoding="utf-8")
        monkeypatch.delitem(sys.modules, package, raising=False)

    return installed


def test_only_what_is_allowed_by_name_is_imported(install: Install) -> None:
    install("plugin_of_ours", "READER = 'ours'", ours="READER")
    install("plugin_of_others", "raise RuntimeError('imported')", others="READER")
    assert allowed_readers(GROUP, ["ours"]) == ["ours"]
    assert allowed_readers(GROUP, []) == []
    assert "plugin_of_others" not in sys.modules


def test_an_unknown_name_is_answered_with_what_is_installed(install: Install) -> None:
    with pytest.raises(ConfigurationError, match="No installed package") as none:
        allowed_readers(GROUP, ["ledger"])
    assert "install" in none.value.hint
    install("plugin_of_letters", "A = 'a'\nB = 'b'", alpha="A", beta="B")
    with pytest.raises(ConfigurationError, match="'ledger'") as error:
        allowed_readers(GROUP, ["alpha", "ledger"])
    assert error.value.hint == "Installed are: alpha, beta."


def test_a_name_that_two_packages_offer_is_ambiguous(install: Install) -> None:
    install("plugin_one", "R = 1", ledger="R")
    install("plugin_two", "R = 2", ledger="R")
    with pytest.raises(ConfigurationError, match="plugin_one, plugin_two"):
        allowed_readers(GROUP, ["ledger"])


def test_a_plugin_that_fails_on_import_is_named(install: Install) -> None:
    install("plugin_broken", "import no_such_module_here", broken="READER")
    with pytest.raises(ConfigurationError, match=r"'broken'.*no_such_module_here"):
        allowed_readers(GROUP, ["broken"])

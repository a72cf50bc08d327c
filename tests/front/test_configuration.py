"""Where settings come from, and what is said about wrong ones."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mcp_context_resources.errors import ConfigurationError
from mcp_server.cli.configuration import known_keys, load, parse_assignment, show, variable_name


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "fresh-context.toml"
    file.write_text("[tables]\nmax_rows = 1\ndefault_rows = 1\nworkers = 1\n", encoding="utf-8")
    environ = {"FRESH_CONTEXT_TABLES_MAX_ROWS": "2", "FRESH_CONTEXT_TABLES_DEFAULT_ROWS": "2"}
    found = load({"tables.max_rows": 3}, environ, user_folder=tmp_path)
    tables = found.settings.tables
    assert (tables.max_rows, tables.default_rows, tables.workers, tables.threads) == (3, 2, 1, 0)
    assert found.origins["tables.max_rows"] == "command line"
    assert found.origins["tables.default_rows"] == "environment"
    assert found.origins["tables.workers"] == str(file)
    assert "tables.threads" not in found.origins


def test_a_named_file_wins_over_the_users_own(tmp_path: Path) -> None:
    for name, rows in (("named", 1), ("user", 3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "fresh-context.toml").write_text(f"[tables]\nmax_rows = {rows}\n", encoding="utf-8")
    named_file, user = tmp_path / "named" / "fresh-context.toml", tmp_path / "user"
    assert load({}, {}, config_file=named_file, user_folder=user).settings.tables.max_rows == 1
    variable = {"FRESH_CONTEXT_CONFIG": str(named_file)}
    assert load({}, variable, user_folder=user).settings.tables.max_rows == 1
    assert load({}, {}, user_folder=user).settings.tables.max_rows == 3


def test_a_file_in_the_working_folder_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "fresh-context.toml").write_text("[tables]\nmax_rows = 1234\n", encoding="utf-8")
    command = [sys.executable, "-m", "mcp_server", "config", "show"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path)
    assert "1234" not in done.stdout


@pytest.mark.parametrize(
    ("content", "says", "hint"),
    [
        ("[tables]\nmax_row = 1\n", "tables.max_row in", "Did you mean tables.max_rows?"),
        ("[table]\nmax_rows = 1\n", "table.max_rows in", "Did you mean tables.max_rows?"),
        ("[tables]\nmax_rows = 'many'\n", "tables.max_rows (from", "config show"),
        ("[tables]\nencoding = 'cp9322'\n", "not an encoding", "config show"),
        ("[tables]\nmax_rows = 0\n", "greater than or equal to 1", "config show"),
        ("[tables\n", "can't be read", "TOML"),
        ("roots = []\n", "roots in", "workspace.roots"),
    ],
)
def test_a_wrong_file_is_told_with_the_nearest_key(tmp_path: Path, content: str, says: str, hint: str) -> None:
    (tmp_path / "fresh-context.toml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load({}, {}, user_folder=tmp_path)
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_passwords_are_read_but_never_shown(tmp_path: Path) -> None:
    found = load({}, {"FRESH_CONTEXT_DOCUMENTS_PASSWORDS": "contracts/*.pdf=geheim"}, user_folder=tmp_path)
    assert [word.get_secret_value() for word in found.settings.documents.passwords] == ["contracts/*.pdf=geheim"]
    shown = show(found)
    assert "geheim" not in shown
    assert "passwords is set" in shown
    assert "passwords" not in tomllib.loads(shown)["documents"]


def test_a_password_without_a_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="file pattern=password") as caught:
        load({}, {"FRESH_CONTEXT_DOCUMENTS_PASSWORDS": "geheim"}, user_folder=tmp_path)
    assert "geheim" not in str(caught.value)


def test_an_unknown_variable_names_the_nearest_one() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({}, {"FRESH_CONTEXT_TABLES_MAXROWS": "1"})
    assert caught.value.hint == "Did you mean FRESH_CONTEXT_TABLES_MAX_ROWS?"


def test_lists_in_the_environment_are_separated_as_in_path_or_json(tmp_path: Path) -> None:
    import os

    roots = os.pathsep.join(["/a", "/b c"])
    assert load({}, {"FRESH_CONTEXT_WORKSPACE_ROOTS": roots}).settings.workspace.roots == (Path("/a"), Path("/b c"))
    assert load({}, {"FRESH_CONTEXT_WORKSPACE_IGNORE": '["*.tmp"]'}).settings.workspace.ignore == ("*.tmp",)


def test_paths_in_a_file_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "fresh-context.toml").write_text('[workspace]\nroots = ["data"]\n', encoding="utf-8")
    assert load({}, {}, user_folder=tmp_path).settings.workspace.roots == (tmp_path / "data",)


def test_set_takes_any_known_key() -> None:
    assert parse_assignment("tables.deadline_seconds=60") == ("tables.deadline_seconds", "60")
    for wrong in ("tables.deadline_seconds", "tables.deadlines=3"):
        with pytest.raises(ConfigurationError):
            parse_assignment(wrong)


def test_what_config_show_prints_is_a_file_that_means_the_same(tmp_path: Path) -> None:
    flags = {"tables.max_rows": 7, "workspace.roots": ["/srv/日本"], "server.log_level": "error"}
    text = show(load(flags, {}))
    (tmp_path / "fresh-context.toml").write_text(text, encoding="utf-8")
    assert load({}, {}, user_folder=tmp_path).settings == load(flags, {}).settings
    assert "(command line; FRESH_CONTEXT_TABLES_MAX_ROWS)" in text
    tomllib.loads(text)


def test_every_setting_is_described_and_has_a_variable_of_its_own() -> None:
    keys = known_keys()
    assert all(field.description for field in keys.values())
    assert len({variable_name(key) for key in keys}) == len(keys)


@pytest.mark.parametrize("command", [[], ["serve"], ["demo"], ["install"], ["uninstall"], ["config", "show"]])
def test_help_is_there_for_every_command(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mcp_server", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith("usage: fresh-context")

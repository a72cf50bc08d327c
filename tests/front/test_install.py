"""Installing in Claude Desktop: nothing of the user's is lost, and what is written starts from anywhere."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import sysconfig
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_context_resources.errors import ConfigurationError
from mcp_server.hosts import claude_desktop, config_file

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = Path(__file__).parents[2] / "examples" / "claude_desktop_config.json"
NOON = datetime(2026, 3, 4, 12, 0, 5, tzinfo=UTC)
LAUNCHER = ("/opt/fresh/bin/fresh-context",)
OTHER_SERVERS: dict[str, Any] = {
    "globalShortcut": "Ctrl+Space",
    "mcpServers": {
        "zeta": {"command": "npx", "args": ["-y", "zeta"], "env": {"TOKEN": "秘密-é-\u2028"}, "disabled": None},
        "alpha": {"command": "C:\\Program Files\\alpha.exe", "timeout": 1.5, "big": 12345678901234567890},
    },
    "preferences": {"日本語": [1, 2.0, True, None, {"nested": []}], "empty": {}},
}

posix_only = pytest.mark.skipif(os.name == "nt", reason="symbolic links and file modes as on POSIX")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "Claude"
    folder.mkdir()
    return folder / "claude_desktop_config.json"


def install(config: Path, *roots: Path, **options: Any) -> claude_desktop.InstallReport:
    return claude_desktop.install(roots, config=config, launcher=LAUNCHER, **options)


def write(config: Path, value: object) -> bytes:
    config.write_text(json.dumps(value), encoding="utf-8")
    return config.read_bytes()


def read(config: Path) -> Any:
    return json.loads(config.read_text(encoding="utf-8"))


def ordered(value: Any) -> Any:
    """Make key order part of equality, and tell 1 from 1.0 and True."""
    if isinstance(value, dict):
        return [(key, ordered(member)) for key, member in value.items()]
    if isinstance(value, list):
        return ["list", *map(ordered, value)]
    return type(value), value


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Installing


def test_installing_without_a_file_creates_one_with_just_our_server(config: Path, root: Path) -> None:
    report = install(config, root)

    entry = {"command": LAUNCHER[0], "args": ["serve", str(root)], "env": {}}
    assert read(config) == {"mcpServers": {"fresh-context": entry}}
    assert (report.path, report.changed, report.backup, report.entry) == (config, True, None, entry)
    assert report.warnings == ()
    assert names_in(config.parent) == [config.name]


def test_installing_creates_the_folder_of_a_host_never_started_and_warns(tmp_path: Path, root: Path) -> None:
    config = tmp_path / "not" / "there" / "config.json"

    report = install(config, root)

    assert "fresh-context" in read(config)["mcpServers"]
    assert any("may not be installed" in warning for warning in report.warnings)


def test_other_servers_and_unknown_keys_survive_in_value_and_order(config: Path, root: Path) -> None:
    write(config, OTHER_SERVERS)

    install(config, root)

    after = read(config)
    ours = after["mcpServers"].popitem()
    assert ours == ("fresh-context", {"command": LAUNCHER[0], "args": ["serve", str(root)], "env": {}})
    assert ordered(after) == ordered(OTHER_SERVERS)


def test_an_entry_of_the_same_name_is_replaced_where_it_stood(config: Path, root: Path) -> None:
    write(config, {"mcpServers": {"first": {}, "fresh-context": {"command": "old"}, "last": {}}})

    report = install(config, root)

    servers = read(config)["mcpServers"]
    assert list(servers) == ["first", "fresh-context", "last"]
    assert servers["fresh-context"] == report.entry
    assert any(message.startswith("Replaced") for message in report.messages)


def test_two_names_make_two_servers(config: Path, root: Path) -> None:
    install(config, root)
    install(config, root, name="研究")

    assert list(read(config)["mcpServers"]) == ["fresh-context", "研究"]


def test_the_user_is_told_where_the_backup_is_and_to_restart_the_host(config: Path, root: Path) -> None:
    write(config, OTHER_SERVERS)

    report = install(config, root)

    text = "\n".join(report.messages)
    assert str(config) in text
    assert str(report.backup) in text
    assert "Quit Claude Desktop completely and start it again" in text


def test_japanese_paths_are_written_as_they_read(config: Path, tmp_path: Path) -> None:
    root = tmp_path.resolve() / "資料" / "報告書 2026"
    root.mkdir(parents=True)

    install(config, root)

    assert "資料" in config.read_text(encoding="utf-8")
    assert "報告書 2026" in config.read_text(encoding="utf-8")
    assert "\\u" not in config.read_text(encoding="utf-8")
    assert read(config)["mcpServers"]["fresh-context"]["args"] == ["serve", str(root)]


def test_the_file_is_indented_by_two_and_ends_in_one_newline(config: Path, root: Path) -> None:
    install(config, root)

    content = config.read_bytes()
    assert content.startswith(b'{\n  "mcpServers": {\n    "fresh-context": {\n')
    assert content.endswith(b"}\n")
    assert b"\r" not in content


def test_a_second_run_writes_nothing_and_says_so(config: Path, root: Path) -> None:
    # Compact text in another key order: it is the meaning that is compared.
    entry = {"env": {}, "args": ["serve", str(root)], "command": LAUNCHER[0]}
    before = write(config, {"mcpServers": {"fresh-context": entry}, "other": 1})
    state = config.stat()

    report = install(config, root)

    assert config.read_bytes() == before
    assert (config.stat().st_mtime_ns, config.stat().st_ino) == (state.st_mtime_ns, state.st_ino)
    assert (report.changed, report.backup) == (False, None)
    assert "nothing to write" in report.messages[0]
    assert names_in(config.parent) == [config.name]


def test_a_dry_run_reports_the_change_and_touches_nothing(tmp_path: Path, config: Path, root: Path) -> None:
    before = write(config, OTHER_SERVERS)

    report = install(config, root, dry_run=True)
    elsewhere = install(tmp_path / "absent" / "config.json", root, dry_run=True)

    assert config.read_bytes() == before
    assert names_in(config.parent) == [config.name]
    assert (report.changed, report.backup) == (True, None)
    assert "Nothing was written" in report.messages[0]
    assert elsewhere.changed
    assert not (tmp_path / "absent").exists()


def test_the_snippet_to_paste_is_what_an_installation_writes(config: Path, root: Path) -> None:
    report = install(config, root)

    assert report.entry is not None
    assert claude_desktop.snippet(report.entry) == config.read_text(encoding="utf-8")


def test_an_empty_name_is_refused(config: Path, root: Path) -> None:
    with pytest.raises(ConfigurationError, match="name is empty"):
        install(config, root, name=" ")
    with pytest.raises(ConfigurationError, match="name is empty"):
        claude_desktop.uninstall(name="", config=config)


# The file: back-ups, links, modes


def test_the_backup_holds_the_previous_bytes(config: Path, root: Path) -> None:
    before = b'\xef\xbb\xbf{ "mcpServers" : {},\r\n\t"x": "\\u65e5" }'
    config.write_bytes(before)

    report = install(config, root)

    assert report.backup is not None
    assert report.backup.parent == config.parent
    assert report.backup.read_bytes() == before
    assert names_in(config.parent) == sorted([config.name, report.backup.name])


def test_backups_of_the_same_second_never_overwrite_each_other(config: Path) -> None:
    first = write(config, {"n": 1})
    one = config_file.set_server(config, "a", {"command": "x"}, now=NOON).backup
    second = config.read_bytes()
    two = config_file.set_server(config, "b", {"command": "x"}, now=NOON).backup
    third = config.read_bytes()
    three = config_file.remove_server(config, "a", now=NOON).backup

    assert one is not None
    assert two is not None
    assert three is not None
    assert one.name == "claude_desktop_config.json.backup-20260304-120005"
    assert [path.read_bytes() for path in (one, two, three)] == [first, second, third]


def test_a_leftover_temporary_file_of_a_killed_run_is_no_obstacle(config: Path, root: Path) -> None:
    leftover = config.with_name(f".{config.name}.new")
    leftover.write_bytes(b"half")

    install(config, root)

    assert "fresh-context" in read(config)["mcpServers"]
    assert leftover.read_bytes() == b"half"


@posix_only
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_the_mode_of_the_file_is_kept_and_the_backup_has_it_too(config: Path, root: Path, mode: int) -> None:
    write(config, OTHER_SERVERS)
    config.chmod(mode)

    report = install(config, root)

    assert report.backup is not None
    assert stat.S_IMODE(config.stat().st_mode) == mode
    assert stat.S_IMODE(report.backup.stat().st_mode) == mode


@posix_only
def test_a_new_file_is_readable_by_its_owner_only(config: Path, root: Path) -> None:
    install(config, root)

    assert stat.S_IMODE(config.stat().st_mode) == 0o600


@posix_only
def test_a_symlinked_config_stays_a_link_and_its_target_is_edited(config: Path, root: Path, tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir()
    target = dotfiles / "claude.json"
    before = write(target, OTHER_SERVERS)
    config.symlink_to(Path("..") / "dotfiles" / "claude.json")

    report = install(config, root)

    assert config.is_symlink()
    assert not target.is_symlink()
    assert "fresh-context" in read(target)["mcpServers"]
    assert report.backup is not None
    assert report.backup.parent == config.parent
    assert report.backup.read_bytes() == before
    assert names_in(dotfiles) == ["claude.json"]


@posix_only
def test_a_dangling_link_is_followed_to_where_it_points(config: Path, root: Path, tmp_path: Path) -> None:
    target = tmp_path / "later" / "claude.json"
    config.symlink_to(target)

    install(config, root)

    assert config.is_symlink()
    assert "fresh-context" in read(target)["mcpServers"]


@posix_only
def test_a_link_that_leads_to_itself_is_a_clear_error(config: Path, root: Path) -> None:
    config.symlink_to(config)

    with pytest.raises(ConfigurationError, match="Can't read"):
        install(config, root)


def test_a_file_the_host_changed_in_the_meantime_is_left_alone(config: Path) -> None:
    write(config, {"a": 1})
    loaded = config_file.load(config)
    theirs = write(config, {"a": 2})

    with pytest.raises(ConfigurationError, match="changed by another program"):
        config_file.save(loaded, config_file.with_server(loaded.config, "x", {}))

    assert config.read_bytes() == theirs
    assert names_in(config.parent) == [config.name]


def test_a_file_that_appeared_in_the_meantime_is_left_alone(config: Path) -> None:
    loaded = config_file.load(config)
    theirs = write(config, {"a": 2})

    with pytest.raises(ConfigurationError, match="changed by another program"):
        config_file.save(loaded, {})

    assert config.read_bytes() == theirs


def test_a_path_that_is_a_folder_or_lies_under_a_file_is_a_clear_error(tmp_path: Path, root: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")

    for impossible in (root, file / "config.json"):
        with pytest.raises(ConfigurationError) as caught:
            install(impossible, root)
        assert str(impossible) in caught.value.message
        assert "--config" in caught.value.hint
    assert names_in(root) == []
    assert file.read_text() == "x"


# What can't be edited is left alone


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{\n  "mcpServers": {\n    "a": {},\n  }\n}', "line "),
        (b'{"a": 1}\n// comment', "line 2, column 1"),
        (b'{\n  "a" 1}', "line 2, column 7"),
        (b'\xef\xbb\xbf{"a" 1}', "line 1, column 6"),
        (b'{"half": ', "line 1, column 10"),
        (b"\n  [1, 2]", "line 2, column 3: the file is not a JSON object"),
        (b"null", "line 1, column 1: the file is not a JSON object"),
        (b'{\n  "mcpServers": []\n}', 'line 2, column 17: "mcpServers" is not an object'),
        (b'{"mcpServers": null}', 'line 1, column 16: "mcpServers" is not an object'),
        (b'\n {"p": {"mcpServers": {}, "q": [{}]},\n"mcpServers":\n "x"}', "line 4, column 2"),
        (b'{\n"a": "\xe6\x97\xa5\xff"}', "line 2, column 8: the file is not UTF-8 text"),
        ('{"a": 1}'.encode("utf-16"), "line 1, column 1: the file is not UTF-8 text"),
        (b'{"mcpServers": {"a": {}}, "mcpServers": {}}', 'the key "mcpServers" appears twice'),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1e999}', "the number 1e999 is out of range"),
        pytest.param(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply", id="deep"),
    ],
)
def test_a_file_that_cannot_be_edited_is_named_with_the_place_and_left_untouched(
    config: Path, root: Path, content: bytes, place: str
) -> None:
    config.write_bytes(content)

    attempts: list[Callable[[], object]] = [
        lambda: install(config, root),
        lambda: claude_desktop.uninstall(config=config),
    ]
    for attempt in attempts:
        with pytest.raises(ConfigurationError) as caught:
            attempt()
        assert str(config) in caught.value.message
        assert place in caught.value.message
        assert "Nothing was written" in caught.value.hint

    assert config.read_bytes() == content
    assert names_in(config.parent) == [config.name]


@pytest.mark.parametrize("content", [b"", b" \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf{}"])
def test_a_blank_file_counts_as_an_empty_one(config: Path, root: Path, content: bytes) -> None:
    config.write_bytes(content)

    report = install(config, root)

    assert list(read(config)) == ["mcpServers"]
    assert report.backup is not None
    assert report.backup.read_bytes() == content


def test_a_byte_order_mark_is_read_past_and_not_written_again(config: Path, root: Path) -> None:
    config.write_bytes(b"\xef\xbb\xbf" + json.dumps(OTHER_SERVERS).encode())

    install(config, root)

    assert config.read_bytes().startswith(b"{")
    assert read(config)["preferences"] == OTHER_SERVERS["preferences"]


def test_a_lone_surrogate_escape_survives(config: Path, root: Path) -> None:
    config.write_bytes(b'{"cut": "\\ud83d", "\\udc00": "\\\\ud83d"}')
    before = read(config)

    install(config, root)

    after = read(config)
    del after["mcpServers"]
    assert after == before


# Uninstalling


def test_uninstalling_restores_what_was_there_before_installing(config: Path, root: Path) -> None:
    write(config, OTHER_SERVERS)
    installed = install(config, root)
    during = config.read_bytes()

    report = claude_desktop.uninstall(config=config)

    assert ordered(read(config)) == ordered(OTHER_SERVERS)
    assert report.changed
    assert report.entry == installed.entry
    assert report.backup is not None
    assert report.backup.read_bytes() == during
    assert "Quit Claude Desktop completely and start it again" in report.messages[-1]


def test_uninstalling_the_only_server_leaves_no_empty_list_of_servers(config: Path, root: Path) -> None:
    write(config, {"theme": "dark"})
    install(config, root)

    claude_desktop.uninstall(config=config)

    assert read(config) == {"theme": "dark"}


def test_uninstalling_takes_only_the_server_named(config: Path, root: Path) -> None:
    install(config, root)
    install(config, root, name="other")

    claude_desktop.uninstall(name="other", config=config)

    assert list(read(config)["mcpServers"]) == ["fresh-context"]


@pytest.mark.parametrize("content", [b'{"mcpServers":{"a":{}}}', b'{"mcpServers": {}}', b"{}", b""])
def test_uninstalling_what_is_not_there_writes_nothing_and_says_so(config: Path, content: bytes) -> None:
    config.write_bytes(content)

    report = claude_desktop.uninstall(config=config)

    assert config.read_bytes() == content
    assert (report.changed, report.backup, report.entry) == (False, None, None)
    assert "nothing to remove" in report.messages[0]
    assert names_in(config.parent) == [config.name]


def test_uninstalling_without_a_file_creates_none(tmp_path: Path) -> None:
    report = claude_desktop.uninstall(config=tmp_path / "absent" / "config.json")

    assert not report.changed
    assert names_in(tmp_path) == []


def test_a_dry_run_of_uninstalling_touches_nothing(config: Path, root: Path) -> None:
    install(config, root)
    before = config.read_bytes()

    report = claude_desktop.uninstall(config=config, dry_run=True)

    assert config.read_bytes() == before
    assert names_in(config.parent) == [config.name]
    assert report.changed
    assert "Nothing was written" in report.messages[0]


# The entry


def test_roots_become_absolute_real_paths_in_order_and_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path.resolve()
    for name in ("b", "a", "home"):
        (base / name).mkdir()
    monkeypatch.chdir(base / "a")
    monkeypatch.setenv("HOME", str(base / "home"))
    monkeypatch.setenv("USERPROFILE", str(base / "home"))

    entry = claude_desktop.server_entry(["../b", ".", base / "b", "~"], launcher=LAUNCHER)

    assert entry["args"] == ["serve", str(base / "b"), str(base / "a"), str(base / "home")]


@posix_only
def test_a_root_that_is_a_link_is_written_as_the_folder_it_leads_to(tmp_path: Path, root: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)

    assert claude_desktop.server_entry([link], launcher=LAUNCHER)["args"] == ["serve", str(root)]


def test_extra_arguments_follow_the_roots(root: Path) -> None:
    entry = claude_desktop.server_entry([root], ["--tools", "search"], launcher=("/py", "-m", "mcp_server"))

    assert entry == {
        "command": "/py",
        "args": ["-m", "mcp_server", "serve", str(root), "--tools", "search"],
        "env": {},
    }


def test_no_root_is_an_error_that_shows_an_example(config: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        install(config)

    assert "fresh-context install claude-desktop ~/" in caught.value.hint
    assert not config.exists()


def test_a_root_that_is_missing_a_file_or_empty_is_an_error_and_nothing_is_written(
    config: Path, root: Path, tmp_path: Path
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("x")

    for bad, reason in [(tmp_path / "gone", "does not exist"), (file, "is not a folder")]:
        with pytest.raises(ConfigurationError, match=reason) as caught:
            install(config, root, bad)
        assert str(bad) in caught.value.message
        assert caught.value.hint
    with pytest.raises(ConfigurationError, match="empty string"):
        claude_desktop.server_entry([""], launcher=LAUNCHER)
    assert not config.exists()


@posix_only
def test_a_root_json_cannot_carry_is_refused(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    try:
        Path(os.fsdecode(folder)).mkdir()
    except OSError:
        pytest.skip("this file system takes Unicode names only")

    with pytest.raises(ConfigurationError, match="not valid Unicode"):
        claude_desktop.server_entry([os.fsdecode(folder)], launcher=LAUNCHER)


def test_the_command_is_the_console_script_beside_the_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "fresh-context"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    assert claude_desktop.launch_command(scripts=tmp_path) == (str(script),)


def test_on_windows_the_console_script_ends_in_exe(tmp_path: Path) -> None:
    script = tmp_path / "fresh-context.exe"
    script.write_bytes(b"MZ")
    script.chmod(0o755)

    assert claude_desktop.launch_command(scripts=tmp_path) == (str(script),)


@posix_only
def test_without_a_console_script_the_interpreter_runs_the_module_and_its_link_is_kept(tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (python.parent / "fresh-context").mkdir()

    assert claude_desktop.launch_command(str(python), python.parent) == (str(python), "-m", "mcp_server")


def test_the_command_of_the_running_interpreter_is_absolute_and_exists(root: Path) -> None:
    entry = claude_desktop.server_entry([root])

    command = Path(str(entry["command"]))
    assert command.is_absolute()
    assert command.is_file()
    assert command.parent in {Path(sysconfig.get_path("scripts")), Path(sys.executable).parent}


def test_an_unknown_interpreter_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="interpreter is unknown"):
        claude_desktop.launch_command("", tmp_path)


@pytest.mark.parametrize(
    ("command", "warned"),
    [
        ("/Users/you/.cache/uv/archive-v0/Ab3/bin/fresh-context", True),
        ("/home/you/.cache/uv/environments-v2/fresh-1f/bin/python", True),
        ("C:\\Users\\you\\AppData\\Local\\uv\\cache\\archive-v0\\Ab3\\Scripts\\fresh-context.exe", True),
        ("/Users/you/.local/share/uv/tools/fresh-context/bin/fresh-context", False),
        ("/Users/you/archive-v0.py/bin/fresh-context", False),
    ],
)
def test_a_command_in_the_cache_of_uv_is_installed_with_a_warning(
    config: Path, root: Path, command: str, warned: bool
) -> None:
    report = claude_desktop.install([root], config=config, launcher=[command])

    assert read(config)["mcpServers"]["fresh-context"]["command"] == command
    assert any("uv tool install" in warning for warning in report.warnings) is warned


def test_the_example_has_exactly_the_shape_of_what_is_installed(root: Path, tmp_path: Path) -> None:
    example = read(EXAMPLE)
    entry = claude_desktop.server_entry([root, tmp_path], launcher=LAUNCHER)

    assert list(example) == ["mcpServers"]
    assert list(example["mcpServers"]) == [claude_desktop.SERVER_NAME]
    shown = example["mcpServers"][claude_desktop.SERVER_NAME]
    placeholders = {"command": shown["command"], "args": ["serve", *shown["args"][1:]], "env": {}}
    assert ordered(shown) == ordered(placeholders)
    assert list(shown) == list(entry)
    assert {key: type(value) for key, value in shown.items()} == {key: type(value) for key, value in entry.items()}
    assert all(path.startswith("/Users/you/") for path in [shown["command"], *shown["args"][1:]])
    assert shown["command"].endswith("/fresh-context")
    assert config_file.render(example) == EXAMPLE.read_text(encoding="utf-8")


# Where the file lies


def test_on_macos_the_file_lies_in_application_support(tmp_path: Path) -> None:
    path = claude_desktop.config_path("darwin", {"XDG_CONFIG_HOME": "/x", "APPDATA": "/y"}, tmp_path)

    assert path == tmp_path / "Library" / "Application Support" / "Claude" / "claude_desktop_config.json"


def test_on_linux_the_file_lies_in_the_xdg_config_home(tmp_path: Path) -> None:
    default = tmp_path / ".config" / "Claude" / "claude_desktop_config.json"

    assert claude_desktop.config_path("linux", {}, tmp_path) == default
    assert claude_desktop.config_path("linux", {"XDG_CONFIG_HOME": ""}, tmp_path) == default
    assert claude_desktop.config_path("linux", {"XDG_CONFIG_HOME": "relative"}, tmp_path) == default
    xdg = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    assert claude_desktop.config_path("linux", xdg, Path("/nowhere")) == tmp_path / "xdg" / "Claude" / default.name


def test_on_windows_the_file_lies_in_appdata(tmp_path: Path) -> None:
    environ = {"APPDATA": str(tmp_path / "Roaming"), "LOCALAPPDATA": str(tmp_path / "Local")}
    name = "claude_desktop_config.json"

    assert claude_desktop.config_path("win32", environ, Path("/nowhere")) == tmp_path / "Roaming" / "Claude" / name
    assert claude_desktop.config_path("win32", {}, tmp_path) == tmp_path / "AppData" / "Roaming" / "Claude" / name


def test_on_windows_the_packaged_application_has_its_own_copy_of_appdata(tmp_path: Path) -> None:
    environ = {"APPDATA": str(tmp_path / "Roaming"), "LOCALAPPDATA": str(tmp_path / "Local")}
    packages = tmp_path / "Local" / "Packages"
    (packages / "Claude_never_started").mkdir(parents=True)
    folder = packages / "Claude_pzs8" / "LocalCache" / "Roaming" / "Claude"
    other = packages / "Claude_aaaa" / "LocalCache" / "Roaming" / "Claude"

    assert claude_desktop.config_path("win32", environ, tmp_path).is_relative_to(tmp_path / "Roaming")
    folder.mkdir(parents=True)
    assert claude_desktop.config_path("win32", environ, tmp_path) == folder / claude_desktop.CONFIG_NAME
    other.mkdir(parents=True)
    (folder / claude_desktop.CONFIG_NAME).write_text("{}")
    assert claude_desktop.config_path("win32", environ, tmp_path) == folder / claude_desktop.CONFIG_NAME


def test_without_config_the_path_of_this_platform_is_edited(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path.resolve() / "home"
    for variable, folder in [("HOME", ""), ("USERPROFILE", ""), ("XDG_CONFIG_HOME", "xdg"), ("APPDATA", "Roaming")]:
        monkeypatch.setenv(variable, str(home / folder))
    monkeypatch.setenv("LOCALAPPDATA", str(home / "Local"))

    report = claude_desktop.install([root], launcher=LAUNCHER)

    assert report.path == claude_desktop.config_path()
    assert report.path.is_relative_to(home)
    assert claude_desktop.uninstall().path == report.path


def test_importing_the_installer_imports_nothing_but_the_standard_library_and_our_errors() -> None:
    script = (
        "import sys, mcp_server.hosts.claude_desktop;"
        "print(*sorted({m.partition('.')[0] for m in sys.modules} - sys.stdlib_module_names - {'__main__'}))"
    )
    source = Path(__file__).parents[2]
    path = os.pathsep.join(str(source / folder) for folder in (".", "resources", "tools"))

    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["mcp_context_resources", "mcp_server"]


# Properties

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
server_names = st.sampled_from(["fresh-context", "a"]) | st.text(max_size=8)
server_maps = st.dictionaries(server_names, values, max_size=4)


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    config: dict[str, Any] = draw(st.dictionaries(st.text(max_size=8), values, max_size=4))
    config.pop("mcpServers", None)
    if draw(st.booleans()):
        members = [*config.items(), ("mcpServers", draw(server_maps))]
        config = dict(draw(st.permutations(members)))
    return config


def without(members: dict[str, Any], key: str) -> dict[str, Any]:
    return {other: value for other, value in members.items() if other != key}


@pytest.mark.slow
@given(config=configs(), name=server_names)
def test_merging_keeps_every_other_key_and_server_and_their_order(config: dict[str, Any], name: str) -> None:
    before = ordered(config)
    entry = {"command": "/x", "args": ["serve"], "env": {}}

    merged: dict[str, Any] = config_file.with_server(config, name, entry)

    assert ordered(config) == before
    assert merged["mcpServers"][name] == entry
    servers_before, servers_after = config.get("mcpServers", {}), merged["mcpServers"]
    assert list(servers_after) == [*servers_before, *([] if name in servers_before else [name])]
    assert list(merged) == [*config, *([] if "mcpServers" in config else ["mcpServers"])]
    assert ordered(without(servers_after, name)) == ordered(without(servers_before, name))
    assert ordered(without(merged, "mcpServers")) == ordered(without(config, "mcpServers"))


@pytest.mark.slow
@given(config=configs(), name=server_names)
@settings(max_examples=50, deadline=None)
def test_adding_and_removing_a_server_on_disk_comes_back_to_the_same_configuration(
    config: dict[str, Any], name: str
) -> None:
    if servers := without(config.get("mcpServers", {}), name):
        config["mcpServers"] = servers
    else:
        config.pop("mcpServers", None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        write(path, config)

        added = config_file.set_server(path, name, {"command": "/x"})
        again = config_file.set_server(path, name, {"command": "/x"})
        removed = config_file.remove_server(path, name)

        assert (added.changed, again.changed, removed.changed) == (True, False, True)
        assert removed.previous == {"command": "/x"}
        assert ordered(read(path)) == ordered(config)


@pytest.mark.slow
@given(config=configs())
def test_what_is_rendered_reads_back_the_same(config: dict[str, Any]) -> None:
    assert ordered(json.loads(config_file.render(config))) == ordered(config)


def test_the_command_installs_prints_and_uninstalls(tmp_path: Path) -> None:
    config = tmp_path / "claude_desktop_config.json"
    config.write_text('{"mcpServers": {"other": {"command": "x"}}, "theme": "dark"}', encoding="utf-8")

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "mcp_server", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    printed = json.loads(run("install", "claude-desktop", str(tmp_path), "--print"))
    before = config.read_bytes()
    run("install", "claude-desktop", str(tmp_path), "--config", str(config), "--dry-run")
    assert config.read_bytes() == before
    assert "Quit Claude Desktop" in run("install", "claude-desktop", str(tmp_path), "--config", str(config))
    written = json.loads(config.read_text(encoding="utf-8"))
    assert written["mcpServers"]["fresh-context"] == printed["mcpServers"]["fresh-context"]
    assert (written["mcpServers"]["other"], written["theme"]) == ({"command": "x"}, "dark")
    run("uninstall", "claude-desktop", "--config", str(config))
    assert json.loads(config.read_text(encoding="utf-8")) == json.loads(before)

"""Clients that are not the SDK's own, some on its 1.x and the protocol of 2025, drive the server as a host starts it.

Each runs in an environment of its own, made once in the user's cache folder: it may need another SDK than the server.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.measure import BenchError
from bench.rival_environment import installed
from mcp_context_tools.catalogue import TOOLS
from tests.support.serving import EXAMPLE_DATA

HERE = Path(__file__).parent
CLIENTS = {
    "fastmcp-4": ("fastmcp>=4.1,<5",),
    "fastmcp-3": ("fastmcp>=3.4,<4",),
    "langchain-0": ("langchain-mcp-adapters>=0.3,<1",),
}
"""What is installed for each; the name before the hyphen is that of the script that drives it."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_lists_calls_reads_and_prompts(name: str, tmp_path: Path, cache: Path) -> None:
    seen = _driven(name, tmp_path, cache)
    assert seen["tools"] == [tool.name for tool in TOOLS]
    assert seen["rows"] == [[24]]
    assert "運行" in seen["document"]
    assert "passenger-handbook.pdf" in seen["search"]
    failed, told = seen["error"]
    assert failed
    assert "SELEC" in told
    assert {"table://trips", "document://passenger-handbook.pdf"} <= set(seen["resources"])
    assert {"name": "date", "type": "DATE"}.items() <= json.loads(seen["schema"])["columns"][0].items()
    assert "ask_my_files" in seen["prompts"]
    assert "passenger-handbook.pdf" in seen["prompt"]


def _driven(name: str, folder: Path, cache: Path) -> dict[str, Any]:
    try:
        python = installed(f"client-{name}", CLIENTS[name])
    except BenchError as error:
        pytest.skip(str(error))
    server = [sys.executable, "-m", "mcp_server", "serve", str(EXAMPLE_DATA), "--set", f"storage.cache_dir={cache}"]
    done = subprocess.run(
        [python, str(HERE / f"drive_{name.partition('-')[0]}.py"), *server],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen

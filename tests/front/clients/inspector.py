"""Ask the server everything over stdio with the Inspector's command line: `python -m tests.front.clients.inspector`.

Each list, call, read and prompt in both protocol eras, and the portability of the tools' schemas (`--strict`). Needs
Node 22 or later and npm's `@modelcontextprotocol/inspector` 2.12; `tests/front/conformance/README.md` tells how.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Final

from tests.support.serving import EXAMPLE_DATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Check = Callable[[dict[str, Any]], object]

ERAS: Final = ("legacy", "modern")
_SECONDS: Final = 120.0

LISTS: Final[tuple[tuple[str, str], ...]] = (
    ("resources/list", "resources"),
    ("resources/templates/list", "resourceTemplates"),
    ("prompts/list", "prompts"),
)
CALLS: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("list_sources", {}),
    ("describe_table", {"table": "trips"}),
    ("query_tables", {"sql": "SELECT count(*) AS n FROM 停留所"}),
    ("plot_query", {"sql": "SELECT 1 AS a, 2 AS b", "spec": '{"mark":"bar","encoding":{"x":{"field":"a"}}}'}),
    ("read_document", {"document": "運行案内.pdf", "pages": "1"}),
    ("search", {"query": "lost property"}),
    ("get_context", {"question": "Where is lost property kept?"}),
    ("run_model", {"task": "generate", "prompt": "Say hello.", "max_tokens": "4"}),
    (
        "map_rows",
        {"sql": "SELECT '25 yen' AS t", "column": "t", "task": "generate", "prompt": "Repeat.", "max_tokens": "4"},
    ),
)
READS: Final = (
    "table://trips",
    "table://trips/schema",
    "document://passenger-handbook.pdf",
    "document://passenger-handbook.pdf/page/1",
    "document://passenger-handbook.pdf/page/1/image",
)
PROMPTS: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("ask_my_files", {"question": "Where is lost property kept?"}),
    ("explore_table", {"table": "trips"}),
    ("summarize_document", {"document": "passenger-handbook.pdf"}),
    ("compare_documents", {"a": "passenger-handbook.pdf", "b": "運行案内.pdf", "aspect": "lost property"}),
    ("check_claim", {"claim": "Lost property is kept for 30 days."}),
)


def main() -> int:
    """Ask everything, print a line for each question, and return the exit status: 1 when any went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inspector", default="mcp-inspector", help="command of the Inspector (default: %(default)s)")
    inspector = shlex.split(parser.parse_args().inspector)
    wrong = 0
    with tempfile.TemporaryDirectory() as cache:
        server = [sys.executable, "-m", "mcp_server", "serve", str(EXAMPLE_DATA)]
        server += ["--set", f"storage.cache_dir={cache}", "--set", "index.vectors=off", "--log-level", "error"]
        for era in ERAS:
            for question, check in _questions():
                problem = _asked([*inspector, "--cli", *server, "--protocol-era", era, *question], check)
                wrong += bool(problem)
                sys.stdout.write(f"{'WRONG' if problem else 'ok':<6}{era:<8}{shlex.join(question)}\n")
                sys.stdout.write("".join(f"      {line}\n" for line in problem.splitlines()[-12:]))
                sys.stdout.flush()
    return 1 if wrong else 0


def _questions() -> Iterator[tuple[list[str], Check]]:
    yield ["--method", "tools/list", "--strict"], lambda answer: len(answer["tools"]) == 9
    for method, key in LISTS:
        yield ["--method", method], lambda answer, key=key: answer[key]  # type: ignore[misc]
    for name, arguments in CALLS:
        given = [f"--tool-arg={key}={value}" for key, value in arguments.items()]
        yield ["--method", "tools/call", "--tool-name", name, *given], lambda answer: not answer.get("isError")
    for uri in READS:
        yield ["--method", "resources/read", "--uri", uri], lambda answer: answer["contents"]
    for name, arguments in PROMPTS:
        given = [f"--prompt-args={key}={value}" for key, value in arguments.items()]
        yield ["--method", "prompts/get", "--prompt-name", name, *given], lambda answer: answer["messages"]


def _asked(command: Sequence[str], check: Check) -> str:
    """Ask one question and return what is wrong with the answer, nothing when it is good."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        return f"exit status {done.returncode}\n{done.stderr or done.stdout}"
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return f"no JSON: {done.stdout[:500]}"
    return "" if check(answer) else f"not what was asked for: {done.stdout[:500]}"


if __name__ == "__main__":
    raise SystemExit(main())

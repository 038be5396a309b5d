"""What the benchmarks share: repeat, spread, peak memory, a part in a process of its own, and printing."""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".venv-peers" / "bin" / "python"


def seconds_of(work: Callable[[], object], repeats: int, warm: int = 1) -> list[float]:
    """Return the seconds of each of `repeats` calls, after `warm` calls that do not count."""
    for _ in range(warm):
        work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, quartiles and extremes."""
    low, median, high = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return {
        "median": median,
        "quartile_1": low,
        "quartile_3": high,
        "minimum": min(values),
        "maximum": max(values),
        "repeats": len(values),
    }


def rates(count: int, seconds: Sequence[float]) -> dict[str, float]:
    """Return the spread of `count` a second."""
    return spread([count / s for s in seconds])


def milliseconds(work: Callable[[], object], repeats: int = 15) -> dict[str, Any]:
    """Return the spread of the milliseconds that `work` takes."""
    return {"unit": "ms", **spread([1e3 * s for s in seconds_of(work, repeats)])}


def peak_mib() -> float:
    """Return the most memory this process ever held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, on macOS bytes
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def in_child(file: str, *arguments: object, python: Path | str = sys.executable) -> Any:
    """Run `file` in a fresh process and return the JSON it prints: its peak memory is its own."""
    command = [str(python), file, *map(str, arguments)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"{Path(file).name} {' '.join(map(str, arguments))} failed:\n{ran.stderr}")
    return json.loads(ran.stdout)


def in_peers(file: str, *arguments: object) -> Any:
    """Run `file` in the peers' environment and return the JSON it prints."""
    if not PEERS.exists():
        sys.exit(f"{PEERS.relative_to(ROOT)} is missing: run `make bench-peers`, which makes it")
    return in_child(file, *arguments, python=PEERS)


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the one option that all benchmarks have."""
    made = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made


def verdict(ratio: float) -> str:
    """Say whether a ratio of measured to wanted, the larger the better, is enough."""
    return f"{ratio:.2f} of the target" + ("" if ratio >= 1 else ", FALLS SHORT")

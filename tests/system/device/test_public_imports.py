import subprocess
import sys
from pathlib import Path

import confidante

ROOT = Path(__file__).parents[3]


def test_importing_it_imports_nothing_else_of_ours() -> None:
    code = "import sys, confidante; print([m for m in sys.modules if m.startswith(('confidante.', 'numpy'))])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_type_checker_sees_every_public_name(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    names = ", ".join(sorted(set(confidante.__all__) - {"__version__"}))
    app.write_text(
        f"from confidante import {names}\n"
        "def titles(device: Device) -> list[str]:\n"
        "    return [one.item.title for one in device.recommend(5).suggestions]\n"
        "reveal_type(titles)\n"
    )
    mypy = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(app)]
    told = subprocess.run(mypy, capture_output=True, text=True, cwd=ROOT, check=False)
    assert told.returncode == 0, told.stdout
    assert "def (device: confidante.device.device.Device) -> list[str]" in told.stdout.replace(
        "builtins.", ""
    )

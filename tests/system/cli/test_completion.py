"""What a shell is offered while a command is typed."""

import os
import subprocess
import sys


def test_shells_are_offered_commands(tmp_path):
    asked = {
        "_CONFIDANTE_COMPLETE": "complete_bash",
        "COMP_WORDS": "confidante recom",
        "COMP_CWORD": "1",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    ran = subprocess.run([sys.executable, "-m", "confidante.cli"], env=asked, capture_output=True, text=True)
    assert ran.stdout.split() == ["recommend"], ran.stderr

#!/usr/bin/env bash
# apsw 3.54.0.0 and apsw-sqlite3mc 3.54.0.0 install the same module, `apsw`.
#
# Expected: installing `apsw` beside `apsw-sqlite3mc` is refused, or the key pragma of the encrypting package
#   goes on working or fails.
# Seen: pip installs the one over the other in silence and lists both. `PRAGMA hexkey` then answers nothing, raises
#   nothing, and the database is plain text: a program that asks for encryption has none.
#
# Exits with 1 when what is seen has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python="$folder/venv/bin/python"

cat > "$folder/write.py" <<'PYTHON'
import sys
from pathlib import Path

import apsw

connection = apsw.Connection(sys.argv[1])
answer = connection.execute(f"PRAGMA hexkey = '{b'secret'.hex()}'").fetchall()
connection.execute("CREATE TABLE note (text)")
connection.close()
plain = Path(sys.argv[1]).read_bytes().startswith(b"SQLite format 3\x00")
print(f"answer to the key: {answer}, {'plain text' if plain else 'encrypted'}")
PYTHON

install() { "$python" -m pip install --quiet --disable-pip-version-check "$1"; }
install apsw-sqlite3mc==3.54.0.0
alone=$("$python" "$folder/write.py" "$folder/alone.db")
install apsw==3.54.0.0
both=$("$python" "$folder/write.py" "$folder/both.db")
listed=$("$python" -m pip list --format freeze 2>/dev/null | grep -c '^apsw')

echo "apsw-sqlite3mc alone: $alone"
echo "with apsw, $listed packages listed: $both"
[ "$alone" = "answer to the key: [('ok',)], encrypted" ]
[ "$both" = "answer to the key: [], plain text" ]
[ "$listed" = 2 ]

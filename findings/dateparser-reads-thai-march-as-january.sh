#!/usr/bin/env bash
# dateparser 1.4.1 reads the Thai abbreviation of March as January.
#
# Expected: "2 มี.ค. 2024" is 2 March, as CLDR abbreviates มีนาคม, or is not understood.
# Seen: it is 2 January, with and without languages=["th"]. The other eleven abbreviations, and March written in
#   full, are right, so that a twelfth of the dates of a Thai file moves by two months in silence.
#
# Exits with 1 when what is seen has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python="$folder/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check dateparser==1.4.1

seen=$("$python" - <<'PYTHON'
import dateparser

short = "ม.ค. ก.พ. มี.ค. เม.ย. พ.ค. มิ.ย. ก.ค. ส.ค. ก.ย. ต.ค. พ.ย. ธ.ค.".split()
read = [dateparser.parse(f"2 {month} 2024", languages=["th"]).month for month in short]
print(read, dateparser.parse("2 มี.ค. 2024").month, dateparser.parse("2 มีนาคม 2024").month)
PYTHON
)
echo "months 1 to 12, March without a language, March in full: $seen"
[ "$seen" = "[1, 2, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12] 1 3" ]

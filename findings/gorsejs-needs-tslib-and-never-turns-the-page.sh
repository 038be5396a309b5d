#!/usr/bin/env bash
# gorsejs 0.4.8, the client of Gorse for JavaScript, in a project of its own.
#
# Expected: `npm install gorsejs` brings all that it needs, and `getItems({ Cursor })` asks for the page after the cursor,
#   which Gorse 0.5 reads from the parameter `cursor`.
# Seen: it cannot be loaded, since it does not name tslib, which its compiled files require. With tslib it sends `Cursor`,
#   which Gorse passes over: every page is the first one, and a loop until the cursor is empty never ends.
#
# Exits with 1 when what is seen has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts gorsejs@0.4.8
alone=$(node -e 'require("gorsejs")' 2>&1 | grep -o "Cannot find module 'tslib'" | head -n 1 || true)
npm install --silent --no-audit --no-fund --ignore-scripts tslib@2.8.1

cat > page.js <<'JS'
const { Gorse } = require("gorsejs");
const server = require("http").createServer((request, response) => {
  console.log(request.url);
  response.setHeader("content-type", "application/json");
  response.end("{}");
});
server.listen(0, "127.0.0.1", async () => {
  const client = new Gorse({ endpoint: `http://127.0.0.1:${server.address().port}`, secret: "key" });
  await client.getItems({ n: 5, Cursor: "bmV4dA==" });
  server.close();
});
JS
asked=$(node page.js)

echo "loaded alone: ${alone:-works}"
echo "the second page is asked for as: $asked"
[ "$alone" = "Cannot find module 'tslib'" ]
[ "$asked" = "/api/items?n=5&Cursor=bmV4dA%3D%3D" ]

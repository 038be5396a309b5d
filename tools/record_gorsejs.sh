#!/usr/bin/env bash
# Record every request that gorsejs 0.4.8, Gorse's client for JavaScript, makes: tests hold the local API to them.
# Needs node and npm; run it only when another release is to be recorded.
set -euo pipefail
target=$(cd "$(dirname "$0")/.." && pwd)/tests/unit/device/gorsejs_requests.json
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts gorsejs@0.4.8 tslib@2.8.1  # tslib: it does not name it

cat > record.js <<'JS'
const http = require("http");
const { Gorse } = require("gorsejs");

const like = { FeedbackType: "like", UserId: "me", ItemId: "cr1", Timestamp: "2022-02-24" };
const item = {
  ItemId: "js1", IsHidden: false, Categories: ["Space"], Labels: ["Space", "Noir"],
  Timestamp: new Date(Date.UTC(2022, 1, 24)), Comment: "From JavaScript",
};
const calls = [
  ["insertUser", { UserId: "me", Labels: ["a", "b"] }],
  ["insertUsers", [{ UserId: "me" }]],
  ["getUser", "me"],
  ["getUsers", { n: 5 }],
  ["updateUser", "me", { UserId: "me", Comment: "hello" }],
  ["getUserNeighbors", { userId: "me", cursorOptions: { n: 3 } }],
  ["upsertItem", item],
  ["upsertItems", [item, { ...item, ItemId: "js2", IsHidden: true }]],
  ["getItem", "js1"],
  ["getItems", { n: 5 }],
  ["getItems", { n: 5, Cursor: "sp1" }],
  ["updateItem", "js2", { Comment: "Still hidden" }],
  ["insertItemCategory", "js2", "Music"],
  ["getItem", "js2"],
  ["deleteItemCategory", "js2", "Music"],
  ["getItemNeighbors", { itemId: "sp0", cursorOptions: { n: 3 } }],
  ["getItemNeighbors", { itemId: "sp0", category: "Comedy", cursorOptions: { n: 3 } }],
  ["insertFeedbacks", [like, { ...like, FeedbackType: "read", ItemId: "cr2" }]],
  ["upsertFeedbacks", [{ ...like, Timestamp: new Date(Date.UTC(2022, 1, 25)) }]],
  ["getFeedback", { type: "like", userId: "me", itemId: "cr1" }],
  ["getFeedbacks"],
  ["getFeedbacks", "like", { n: 2 }],
  ["getItemFeedback", "cr1"],
  ["getItemFeedbackByType", "cr1", "like"],
  ["getUserFeedback", "me"],
  ["getUserFeedbackByType", "me", "read"],
  ["getPopular", { cursorOptions: { n: 3 } }],
  ["getPopular", { category: "Crime", cursorOptions: { n: 3, offset: 1 } }],
  ["getLatest", { cursorOptions: { n: 3 } }],
  ["getLatest", { category: "Crime", cursorOptions: { n: 3 } }],
  ["getRecommend", { userId: "me", cursorOptions: { n: 3 } }],
  ["getRecommend", { userId: "me", category: "Crime", writeBackType: "read", writeBackDelay: "10m", cursorOptions: { n: 3 } }],
  ["getSessionRecommend", [like], { cursorOptions: { n: 3 } }],
  ["getSessionRecommend", [like], { category: "Crime", cursorOptions: { n: 3 } }],
  ["deleteFeedback", { type: "like", userId: "me", itemId: "cr1" }],
  ["deleteItem", "js1"],
  ["deleteUser", "me"],
];
const requests = [];
const server = http.createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    const { accept } = request.headers;
    const kept = { accept, "x-api-key": request.headers["x-api-key"] };
    if (request.headers["content-type"]) kept["content-type"] = request.headers["content-type"];
    requests.push({ method: request.method, path: request.url, headers: kept, body });
    response.setHeader("content-type", "application/json");
    response.end("{}");
  });
});
server.listen(0, "127.0.0.1", async () => {
  const client = new Gorse({ endpoint: `http://127.0.0.1:${server.address().port}`, secret: "KEY" });
  for (const [name, ...given] of calls) await client[name](...given);
  const told = requests.map((one, place) => ({ call: calls[place][0], ...one }));
  console.log(JSON.stringify({ client: "gorsejs 0.4.8", requests: told }, null, 1));
  server.close();
});
JS
node record.js > recorded.json
mv recorded.json "$target"

// Keeps the page up to date; without it a link loads the page anew.
"use strict";

const now = document.getElementById("now");

async function refresh() {
  if (!now || document.hidden || now.contains(document.activeElement)) return;
  let answer;
  try {
    answer = await fetch("/operator/now", { cache: "no-store", redirect: "error" });
  } catch {
    return; // the coordinator is away: what is shown says of when it is
  }
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const places = [...now.querySelectorAll(".wide")].map((one) => one.scrollLeft);
  now.replaceChildren(...fresh.body.childNodes);
  now.querySelectorAll(".wide").forEach((one, index) => { one.scrollLeft = places[index] ?? 0; });
}

if (now) setInterval(refresh, 1000 * Number(now.dataset.every));

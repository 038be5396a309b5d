// Makes the page smoother; nothing depends on it. Focus after a swap, and the seconds left to undo.
"use strict";

let place = null; // where the pressed button stood: the same place is looked for afterwards
let pressed = "";
let reading = null; // the place in a list that is swapped by itself

document.addEventListener("htmx:beforeRequest", (event) => {
  const from = event.detail.elt;
  if (from.id === "suggestions") return; // the list refines itself: nobody pressed anything
  place = from.closest("[data-place]")?.dataset.place ?? null;
  pressed = from.matches("form.act, form.toggle") ? (from.querySelector("button")?.id || "act") : "";
  document.getElementById("main")?.setAttribute("aria-busy", "true");
});

// The refined list comes by itself: who was in the middle of the other one stays at the same place.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== "suggestions") return;
  const here = document.activeElement;
  reading = event.detail.target.contains(here) ? here.closest("[data-place]")?.dataset.place ?? null : null;
});

document.addEventListener("htmx:afterSettle", (event) => {
  document.getElementById("main")?.removeAttribute("aria-busy");
  if (event.detail.target?.id === "suggestions") {
    if (reading) document.querySelector(`#suggestions [data-place="${CSS.escape(reading)}"] a`)?.focus({ preventScroll: true });
    reading = null;
    return;
  }
  if (["lists", "count"].includes(event.detail.target?.id)) return; // beside ticks: focus stays on the tick
  if (document.activeElement && document.activeElement !== document.body) return;
  const again = pressed && pressed !== "act" ? document.getElementById(pressed) : null;
  const near = place ? document.querySelector(`[data-place="${CSS.escape(place)}"] a, [data-place="${CSS.escape(place)}"] button`) : null;
  const heading = document.querySelector("#main h1");
  if (heading) heading.tabIndex = -1;
  (again || near || heading)?.focus({ preventScroll: pressed !== "" });
  const report = document.getElementById("report");
  if (report) report.focus();
});

setInterval(() => {
  for (const bar of document.querySelectorAll("[data-until]")) {
    const left = Math.ceil(Number(bar.dataset.until) - Date.now() / 1000);
    if (left <= 0) bar.remove();
    else bar.querySelector("[data-left]").textContent = ` (${left} s)`;
  }
}, 1000);

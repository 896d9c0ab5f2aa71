"use strict";
const collator = new Intl.Collator("en", { numeric: true });

function keyOf(row, at) {
  const cell = row.cells[at];
  return cell.dataset.key === undefined ? cell.textContent.trim() : cell.dataset.key;
}

function compare(first, second) {
  const a = Number(first.replace("inf", "Infinity")), b = Number(second.replace("inf", "Infinity"));
  return Number.isNaN(a) || Number.isNaN(b) ? collator.compare(first, second) : a === b ? 0 : a - b;
}

function sort(button) {
  const head = button.parentElement, table = head.closest("table"), body = table.tBodies[0];
  const before = head.getAttribute("aria-sort");
  const down = head.classList.contains("num") ? before !== "descending" : before === "ascending";
  for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...body.rows].map((row) => [keyOf(row, head.cellIndex), row]);
  rows.sort((a, b) => compare(a[0], b[0]) * (down ? -1 : 1));
  body.append(...rows.map((pair) => pair[1]));
}

function filter(controls) {
  const table = document.getElementById(controls.dataset.for);
  const sought = controls.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = [...controls.querySelectorAll("select")].filter((select) => select.value !== "");
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !sought.every((word) => text.includes(word))
      || !chosen.every((select) => row.cells[select.dataset.column].textContent.trim() === select.value);
    shown += row.hidden ? 0 : 1;
  }
  controls.querySelector("output").textContent = `${shown} rows`;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("th button");
  if (button) sort(button);
});
for (const controls of document.querySelectorAll(".filters")) {
  controls.addEventListener("input", () => filter(controls));
}
const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
const bar = document.querySelector("nav ul");
const watch = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const link = links.get(entry.target.id);
    if (entry.isIntersecting) {
      link.setAttribute("aria-current", "true");
      bar.scrollTo({ left: link.offsetLeft - bar.clientWidth / 2 });
    } else link.removeAttribute("aria-current");
  }
}, { rootMargin: "-20% 0px -70% 0px" });
for (const name of links.keys()) watch.observe(document.getElementById(name));

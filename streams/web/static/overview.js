// The table of the overview: all rows in memory, only those in sight in the page.
const table = document.getElementById("table");
const words = JSON.parse(table.dataset.words);
const form = document.getElementById("filters");
const counts = document.getElementById("counts");
const shown = document.getElementById("shown");
const connection = document.getElementById("connection");
const language = document.documentElement.lang;

const ROW = 36; // height of a row in px: 2.25rem
const ORDER = ["breached", "failing", "at_risk", "incomplete", "ok", "met"];
const COLUMNS = ["tenant", "name", "month", "state", "sections", "measured", "left", "used_up"];
const LABELS = { left: words.scarcest };
const WIDE = new Set(["name", "month", "sections", "measured", "used_up"]);
const NUMBERS = new Set(["measured", "left"]);
const SETTLE_MS = 1000; // changes that come together are read together

let rows = []; // every row, an object for each
let visible = []; // those that pass the filters, in order
const view = new URLSearchParams(location.search);

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });
const number = new Intl.NumberFormat(language);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// When a budget is used up at the pace of the month so far, as a date; "" where it is not.
function usedUp(row) {
  if (row.left === null || row.left >= 1 || row.left <= 0) return "";
  const begun = Date.parse(`${row.month}-01T00:00:00Z`);
  const [year, month] = row.month.split("-").map(Number);
  const end = Date.UTC(year, month, 1);
  const now = Math.min(Date.now(), end);
  const at = now + ((now - begun) * row.left) / (1 - row.left);
  return at < end && now < end ? new Date(at).toISOString().slice(0, 10) : "";
}

function read(columns) {
  const names = Object.keys(columns);
  rows = columns[names[0]].map((_, index) => {
    const row = Object.fromEntries(names.map((name) => [name, columns[name][index]]));
    row.rank = ORDER.indexOf(row.state);
    row.used_up = usedUp(row);
    row.text = `${row.tenant}\n${row.name ?? ""}`.toLowerCase();
    return row;
  });
}

const KEYS = {
  state: (row) => row.rank,
  sections: (row) => -row.sections.length,
  measured: (row) => row.measured / Math.max(1, row.promised),
  left: (row) => row.left ?? 9,
  used_up: (row) => row.used_up || "9",
};

function choose() {
  const state = view.get("state");
  const section = Number(view.get("section"));
  const asked = (view.get("q") ?? "").trim().toLowerCase();
  const inSection = rows.filter(
    (row) => (!section || row.sections.includes(section)) && (!asked || row.text.includes(asked)),
  );
  visible = state ? inSection.filter((row) => row.state === state) : inSection;
  const [name, direction] = (view.get("sort") ?? "").split(".");
  if (COLUMNS.includes(name)) {
    const key = KEYS[name] ?? ((row) => row[name] ?? "");
    const sign = direction === "down" ? -1 : 1;
    const keyed = visible.map((row) => [key(row), row]);
    keyed.sort(([a], [b]) => (a < b ? -sign : a > b ? sign : 0));
    visible = keyed.map(([, row]) => row);
  }
  showCounts(inSection, state);
  shown.textContent = visible.length
    ? fill(words.shown, { shown: number.format(visible.length), total: number.format(rows.length) })
    : words.nothing;
  drawHead();
  table.scrollTop = 0;
  draw();
}

function showCounts(among, state) {
  const found = new Map(ORDER.map((name) => [name, 0]));
  for (const row of among) found.set(row.state, (found.get(row.state) ?? 0) + 1);
  counts.replaceChildren(
    ...[...found].filter(([, count]) => count).map(([name, count]) => {
      const pressed = String(name === state);
      const button = element("button", { type: "button", class: name, "aria-pressed": pressed },
        `${words.states[name] ?? name} ${number.format(count)}`);
      button.onclick = () => set("state", name === state ? "" : name);
      return button;
    }),
  );
}

const head = element("thead");
const body = element("tbody");
const grid = element("table", {}, head, body);

function drawHead() {
  const [sorted, direction] = (view.get("sort") ?? "").split(".");
  head.replaceChildren(element("tr", { "aria-rowindex": 1 }, ...COLUMNS.map((name) => {
    const mark = name !== sorted ? "" : direction === "down" ? " ▼" : " ▲";
    const button = element("button", { type: "button" }, (LABELS[name] ?? words[name]) + mark);
    button.onclick = () => set("sort", name === sorted && direction !== "down" ? `${name}.down` : name);
    const order = name !== sorted ? "none" : direction === "down" ? "descending" : "ascending";
    return element("th", { scope: "col", "aria-sort": order, class: kind(name) }, button);
  })));
  grid.setAttribute("aria-rowcount", visible.length + 1);
}

const kind = (name) => `c-${name}${WIDE.has(name) ? " wide" : ""}${NUMBERS.has(name) ? " number" : ""}`;

const CELLS = {
  tenant: (row) => {
    const address = new URL(`/tenants/${encodeURIComponent(row.tenant)}`, location);
    address.searchParams.set("month", row.month);
    return element("a", { href: address.pathname + address.search }, row.tenant);
  },
  state: (row) => {
    const closed = row.revision ? ` · ${fill(words.closed_mark, { revision: row.revision })}` : "";
    return element("span", { class: row.state, title: closed.slice(3) },
      (words.states[row.state] ?? row.state) + closed);
  },
  sections: (row) => {
    const titles = row.sections.map((section) => words.section_titles[section] ?? section);
    return element("span", { title: titles.join("; ") }, row.sections.join(", "));
  },
  measured: (row) => `${row.measured} / ${row.promised}`,
  left: (row) => row.left === null ? "" : element("span", { title: words.titles[row.budget] ?? "" },
    percent.format(Math.max(0, row.left))),
};

function line(row, index) {
  const cells = COLUMNS.map((name) => {
    const content = CELLS[name] ? CELLS[name](row) : row[name] ?? "";
    const attributes = { class: kind(name), ...(name === "tenant" ? { scope: "row" } : {}) };
    return element(name === "tenant" ? "th" : "td", attributes, content);
  });
  return element("tr", { "aria-rowindex": index + 2, "data-tenant": row.tenant }, ...cells);
}

const space = (height) => {
  // As many as a phone shows: more would make columns of their own there.
  const cell = element("td", { colspan: COLUMNS.length - WIDE.size });
  cell.style.height = `${height}px`;
  return element("tr", { class: "space", "aria-hidden": "true" }, cell);
};

function draw() {
  const first = Math.max(0, Math.floor(table.scrollTop / ROW) - 10);
  const last = Math.min(visible.length, first + Math.ceil(table.clientHeight / ROW) + 30);
  const drawn = visible.slice(first, last).map((row, index) => line(row, first + index));
  body.replaceChildren(space(first * ROW), ...drawn, space((visible.length - last) * ROW));
}

function set(name, value) {
  if (value) view.set(name, value);
  else view.delete(name);
  history.replaceState(null, "", view.size ? `?${view}` : location.pathname);
  if (form.elements[name]) form.elements[name].value = value;
  if (name === "month") location.reload();
  else choose();
}

async function load() {
  const address = new URL("/api/overview", location);
  if (view.get("month")) address.searchParams.set("month", view.get("month"));
  try {
    const answer = await fetch(address);
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.problem);
    const top = table.scrollTop;
    read(told);
    choose();
    table.scrollTop = top;
  } catch (error) {
    shown.textContent = `${words.failed} ${error.message}`;
  }
}

// Server-sent events; the browser connects again by itself.
function follow() {
  const source = new EventSource("/api/changes");
  let waiting = null;
  let first = true;
  source.onopen = () => {
    connection.textContent = words.live;
    // What changed while the connection was lost is read now.
    if (!first) load();
    first = false;
  };
  source.onerror = () => { connection.textContent = words.away; };
  source.addEventListener("changed", () => {
    clearTimeout(waiting);
    waiting = setTimeout(load, SETTLE_MS);
  });
}

for (const field of form.elements) {
  field.value = view.get(field.name) ?? "";
  field.addEventListener("input", () => set(field.name, field.value));
}
form.addEventListener("submit", (event) => event.preventDefault());
table.append(grid);
table.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
addEventListener("resize", draw);
shown.textContent = words.loading;
load().then(follow);

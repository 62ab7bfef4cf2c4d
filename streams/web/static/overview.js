// The table of the overview: all rows in memory, only those in sight in the page.
const table = document.getElementById("table");
const words = JSON.parse(table.dataset.words);
const form = document.getElementById("filters");
const counts = document.getElementById("counts");
const shown = document.getElementById("shown");
const connection = document.getElementById("connection");
const language = document.documentElement.lang;

const phone = matchMedia("(max-width: 40rem)");
const height = () => (phone.matches ? 104 : 36); // of a row in px: 6.5rem, 2.25rem
const ORDER = ["breached", "failing", "at_risk", "incomplete", "ok", "met"];
const COLUMNS = ["tenant", "name", "month", "state", "sections", "measured", "left", "used_up"];
const LABELS = { left: words.scarcest };
const LABELLED = new Set(["sections", "measured", "left", "used_up"]); // on a phone
const NUMBERS = new Set(["measured", "left"]);
const SETTLE_MS = 1000; // changes that come together are read together

let change = 0; // what the rows hold is at least as new
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

// When a budget is used up at the pace of the month so far, ms since 1970; Infinity where it is not.
const spans = new Map(); // month → its begin and end, ms since 1970
function usedUp(month, left) {
  if (left === null || left >= 1 || left <= 0) return Infinity;
  if (!spans.has(month)) {
    const [year, number] = month.split("-").map(Number);
    spans.set(month, [Date.UTC(year, number - 1, 1), Date.UTC(year, number, 1)]);
  }
  const [begun, end] = spans.get(month);
  const now = Math.min(Date.now(), end);
  const at = now + ((now - begun) * left) / (1 - left);
  return at < end && now < end ? at : Infinity;
}

// A literal for each row: with a hundred thousand of them any other way takes most of a second.
function read({ tenant, name, month, state, sections, measured, promised, budget, left, revision }) {
  rows = tenant.map((id, index) => ({
    tenant: id, name: name[index], month: month[index], state: state[index],
    sections: sections[index], measured: measured[index], promised: promised[index],
    budget: budget[index], left: left[index], revision: revision[index],
    rank: ORDER.indexOf(state[index]),
    used_up: usedUp(month[index], left[index]),
    text: `${id}\n${name[index] ?? ""}`.toLowerCase(),
  }));
}

const KEYS = {
  state: (row) => row.rank,
  sections: (row) => -row.sections.length,
  measured: (row) => row.measured / Math.max(1, row.promised),
  left: (row) => row.left ?? 9,
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

// A phone lays the table out as blocks; it stays a table to a screen reader by its roles.
const head = element("thead", { role: "rowgroup" });
const body = element("tbody", { role: "rowgroup" });
const grid = element("table", { role: "table" }, head, body);

function drawHead() {
  const [sorted, direction] = (view.get("sort") ?? "").split(".");
  head.replaceChildren(element("tr", { role: "row", "aria-rowindex": 1 }, ...COLUMNS.map((name) => {
    const mark = name !== sorted ? "" : direction === "down" ? " ▼" : " ▲";
    const button = element("button", { type: "button" }, (LABELS[name] ?? words[name]) + mark);
    button.onclick = () => set("sort", name === sorted && direction !== "down" ? `${name}.down` : name);
    const order = name !== sorted ? "none" : direction === "down" ? "descending" : "ascending";
    return element("th", { role: "columnheader", scope: "col", "aria-sort": order, class: kind(name) }, button);
  })));
  grid.setAttribute("aria-rowcount", visible.length + 1);
}

const kind = (name) => `c-${name}${NUMBERS.has(name) ? " number" : ""}`;

const CELLS = {
  tenant: (row) => {
    const address = new URL(`/tenants/${encodeURIComponent(row.tenant)}`, location);
    address.searchParams.set("month", row.month);
    return element("a", { href: address.pathname + address.search }, row.tenant);
  },
  state: (row) => {
    const state = element("span", { class: row.state }, words.states[row.state] ?? row.state);
    if (row.revision) {
      const closed = ` · ${fill(words.closed_mark, { revision: row.revision })}`;
      state.append(element("span", { class: "aside" }, closed));
    }
    return state;
  },
  sections: (row) => {
    const titles = row.sections.map((section) => words.section_titles[section] ?? section);
    return element("span", { title: titles.join("; ") }, row.sections.join(", "));
  },
  measured: (row) => `${row.measured} / ${row.promised}`,
  left: (row) => row.left === null ? "" : element("span", { title: words.titles[row.budget] ?? "" },
    percent.format(Math.max(0, row.left))),
  used_up: (row) => row.used_up === Infinity ? "" : new Date(row.used_up).toISOString().slice(0, 10),
};

function line(row, index) {
  const cells = COLUMNS.map((name) => {
    const content = CELLS[name] ? CELLS[name](row) : row[name] ?? "";
    if (name === "tenant") return element("th", { role: "rowheader", scope: "row", class: kind(name), title: content.textContent }, content);
    const attributes = { role: "cell", class: kind(name) };
    if (LABELLED.has(name) && content !== "") attributes["data-label"] = LABELS[name] ?? words[name];
    return element("td", name === "name" ? { ...attributes, title: content } : attributes, content);
  });
  return element("tr", { role: "row", "aria-rowindex": index + 2, "data-tenant": row.tenant }, ...cells);
}

const space = (pixels) => {
  const cell = element("td", { colspan: COLUMNS.length });
  cell.style.height = `${pixels}px`;
  return element("tr", { class: "space", "aria-hidden": "true" }, cell);
};

function draw() {
  const row = height();
  const first = Math.max(0, Math.floor(table.scrollTop / row) - 10);
  const last = Math.min(visible.length, first + Math.ceil(table.clientHeight / row) + 30);
  const drawn = visible.slice(first, last).map((row, index) => line(row, first + index));
  body.replaceChildren(space(first * row), ...drawn, space((visible.length - last) * row));
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
    change = Number(answer.headers.get("X-Change"));
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
  for (const kind of ["changed", "still"]) {
    source.addEventListener(kind, (event) => {
      if (Number(event.data) === change) return;
      clearTimeout(waiting);
      waiting = setTimeout(load, SETTLE_MS);
    });
  }
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

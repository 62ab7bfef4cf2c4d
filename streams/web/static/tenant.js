// The latency chart of a tenant's page.
const charts = document.getElementById("charts");
const language = document.documentElement.lang;
const view = new URLSearchParams(location.search);
const DIRECTIONS = ["outbound", "inbound"];
const LOWEST = 0.001; // what takes no time has no place on a logarithmic scale

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const number = new Intl.NumberFormat(language, { maximumFractionDigits: 3 });
const unit = language.startsWith("zh") ? "秒" : "s";
const seconds = (value) => (value === null || value === undefined ? "–" : `${number.format(value)} ${unit}`);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The limit at each instant: that of the segment of the contract it lies in.
const limitAt = (limits, at, name) =>
  limits.find((one) => at > one.from_s && at <= one.to_s)?.[name] ?? null;

function draw(direction, told, words, room) {
  const own = told[direction];
  const heading = element("h3", {}, words[direction]);
  room.append(heading);
  if (own.at.length === 0) {
    room.append(element("p", {}, words.no_latency));
    return;
  }
  const log = (values) => values.map((value) => (value === null ? null : Math.max(value, LOWEST)));
  const limit = own.at.map((at) => limitAt(told.limits, at, direction));
  const largest = own.at.map((at) => limitAt(told.limits, at, "largest"));
  const line = (label, stroke, more = {}) => ({
    label, stroke, width: 2, points: { show: own.at.length < 40 }, value: (_, value) => seconds(value), ...more,
  });
  const grid = { stroke: colour("--ink"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const options = {
    width: Math.max(260, room.clientWidth),
    height: 260,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), told.zone),
    scales: { y: { distr: 3 } },
    axes: [
      { ...grid, space: 90, values: (_, marks) => marks.map((at) => axisTime(at, told)) },
      { ...grid, size: 70, values: (_, marks) => marks.map((mark) => (mark === null ? "" : seconds(mark))) },
    ],
    series: [
      { label: words.time, value: (_, at) => (at === null ? "–" : fullTime(at, told.zone)) },
      line(words.mean, colour("--link")),
      line(words.p95, colour("--good"), { dash: [6, 3] }),
      line(words.max, colour("--warn"), { dash: [2, 3] }),
      line(words.limit, colour("--bad"), { width: 1.5, points: { show: false } }),
      line(words.limit_max, colour("--bad"), { width: 1.5, dash: [8, 4], points: { show: false } }),
    ],
  };
  // Of a logarithmic scale only the powers of ten.
  options.axes[1].grid = { ...grid.grid, filter: (_, marks) => marks.map((mark) => (isPower(mark) ? mark : null)) };
  const newest = own.at.length - 1;
  const said = ["mean", "p95", "max"].map((name) => `${words[name]} ${seconds(own[name][newest])}`).join(" · ");
  const figure = element("div", { role: "img", "aria-label": `${words[direction]}: ${said}`, class: "chart" });
  room.append(element("p", { class: "newest", "data-direction": direction }, `${fullTime(own.at[newest], told.zone)}: ${said}`), figure);
  new uPlot(options, [own.at, log(own.mean), log(own.p95), log(own.max), limit, largest], figure);
}

const isPower = (mark) => Math.abs(Math.log10(mark) - Math.round(Math.log10(mark))) < 1e-9;
const format = (at, zone, style) => new Intl.DateTimeFormat(language, { timeZone: zone, ...style }).format(new Date(at * 1000));
const fullTime = (at, zone) => format(at, zone, { dateStyle: "medium", timeStyle: "short" });
const axisTime = (at, told) =>
  told.to - told.from > 2 * 86400
    ? format(at, told.zone, { month: "2-digit", day: "2-digit" })
    : format(at, told.zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

async function showLatency() {
  const words = JSON.parse(charts.dataset.words);
  const span = view.get("span") ?? "month";
  for (const button of charts.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.span === span));
  }
  const room = charts.querySelector(".drawn");
  const query = new URLSearchParams({ month: charts.dataset.month, span });
  try {
    const answer = await fetch(`/api/tenants/${encodeURIComponent(charts.dataset.tenant)}/latency?${query}`);
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.problem);
    room.replaceChildren();
    for (const direction of DIRECTIONS) draw(direction, told, words, room);
  } catch (error) {
    room.replaceChildren(element("p", { class: "problem" }, `${words.chart_failed} ${error.message}`));
  }
}

if (charts) {
  for (const button of charts.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      view.set("span", button.dataset.span);
      history.replaceState(null, "", `?${view}`);
      showLatency();
    });
  }
  showLatency(); // the library stands before this module in the page, so it is there
  let waiting = null;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(showLatency, 200);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showLatency);
}

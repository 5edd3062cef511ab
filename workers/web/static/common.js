// What all pages are made of. Everything that came from a peer is set as text, never as markup, and
// is isolated, so that its direction does not turn the text around it.

export function made(tag, content, properties = {}) {
  const element = document.createElement(tag);
  if (content !== undefined) element.append(...[content].flat());
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  return element;
}

// A peer's text: control characters become visible, an empty one is said to be empty.
export function theirs(text, empty = "–") {
  if (!text) return empty;
  const shown = String(text).replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return made("bdi", shown);
}

export function whole(number) {
  return Math.round(number || 0).toLocaleString("en");
}

// A number a second: small ones with a decimal.
export function rate(number) {
  return number && number < 10 ? number.toFixed(1) : whole(number);
}

export function bytes(number) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = number || 0;
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${at && value < 100 ? value.toFixed(1) : whole(value)} ${units[at]}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${seconds && seconds < 0.1 ? (seconds * 1000).toPrecision(2) : Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86400).toFixed(1)} days`;
}

export function moment(seconds) {
  const at = new Date(seconds * 1000);
  const two = (number) => String(number).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ` +
    `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function level(state) {
  if (["ok", "ready", "released"].includes(state)) return "good";
  const passing = ["starting", "waiting", "restarting", "standby", "stopping", "degraded", "rejected"];
  return passing.includes(state) ? "warn" : "bad";
}

export function badge(text, kind = level(text)) {
  return made("span", text, { className: `state ${kind}` });
}

// A value with a quieter one below it, if there is one.
export function under(value, quiet) {
  return quiet ? made("div", [value, made("div", quiet, { className: "quiet" })]) : value;
}

export function fill(element, ...content) {
  element.replaceChildren(...content.flat());
  return element;
}

function change(place, content) {
  const text = content instanceof Node ? content.textContent : String(content);
  if (place.textContent !== text) fill(place, content);
}

// The values of tiles: [name, value, unit].
export function tiles(values) {
  return made("dl", values.map(([name, value, unit]) =>
    made("div", [made("dt", name), made("dd", unit ? [value, " ", made("small", unit)] : value)])),
  { className: "tiles" });
}

// A table whose columns are [heading, class]; `update(rows)` sets its rows, each a list of cells with
// a `key` if it has buttons. What has not changed stays, and with it the focus and a selection.
export function table(label, columns, nothing) {
  const body = made("tbody");
  const head = made("tr", columns.map(([name, kind]) =>
    made("th", name, { scope: "col", className: kind || "" })));
  const box = made("div", made("table", [made("thead", head), body]),
    { className: "scroll", tabIndex: 0, role: "region", ariaLabel: label });
  const empty = made("p", nothing, { className: "quiet" });
  const element = made("div", [empty, box]);
  const update = (rows) => {
    empty.hidden = rows.length > 0;
    box.hidden = !rows.length;
    rows.forEach((cells, at) => {
      const before = body.children[at];
      const isSame = before && before.key === cells.key;
      const line = isSame ? before : made("tr", columns.map(([, kind]) => made("td", "", { className: kind || "" })));
      line.key = cells.key;
      line.className = cells.chosen ? "chosen" : "";
      cells.forEach((cell, column) => change(line.children[column], cell));
      if (!isSame) before ? before.replaceWith(line) : body.append(line);
    });
    while (body.children.length > rows.length) body.lastChild.remove();
  };
  return { element, update };
}

export function button(text, act, className = "") {
  const element = made("button", text, { type: "button", className });
  element.addEventListener("click", act);
  return element;
}

export function field(name, input) {
  return made("label", [name, input]);
}

// Ask for a search, after the last key for a moment.
export function typed(input, act) {
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(act, 300);
  });
}

export async function post(path, body = {}) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const told = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (told.error) alert(told.error);
  return !told.error;
}

export async function ask(path, parameters = {}) {
  const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`);
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

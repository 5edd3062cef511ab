// The page of a running gateway: asks for /status every second while somebody looks.
// Everything that came from a peer is set as text, never as markup.
"use strict";

const PERIOD = 1000;
const SPAN = 5; // Answers over which a rate is taken: the gateway itself counts once a second.
const earlier = [];

const byId = (id) => document.getElementById(id);

function made(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function whole(number) {
  return Math.round(number).toLocaleString("en");
}

function bytes(number) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let at = 0;
  while (number >= 1000 && at < units.length - 1) {
    number /= 1000;
    at += 1;
  }
  return `${at && number < 100 ? number.toFixed(1) : whole(number)} ${units[at]}`;
}

function level(state) {
  if (state === "ok" || state === "ready") return "good";
  return ["starting", "waiting", "restarting", "standby", "stopping"].includes(state) ? "warn" : "bad";
}

function badge(element, text, kind) {
  if (element.textContent !== text) element.textContent = text;
  element.className = `state ${kind}`;
  return element;
}

function tile(name, value, unit) {
  const box = made("div");
  const figure = made("dd", value);
  if (unit) figure.append(" ", made("small", unit));
  box.append(made("dt", name), figure);
  return box;
}

function row(...cells) {
  const line = made("tr");
  for (const cell of cells) {
    const isNumber = typeof cell === "number" || cell.dataset?.number !== undefined;
    const place = made("td", undefined, isNumber ? "number" : "");
    place.append(typeof cell === "number" ? whole(cell) : cell);
    line.append(place);
  }
  return line;
}

function amount(text) {
  const span = made("span", text);
  span.dataset.number = "";
  return span;
}

function rate(now, name) {
  const before = earlier[0];
  if (!before || now.time <= before.time) return 0;
  return Math.max(0, (now.totals[name] - before.totals[name]) / (now.time - before.time));
}

function show(now) {
  const status = now.status;
  const name = now.alive ? status.state : "no answer";
  badge(byId("state"), name, level(name));
  if (status.ae_title) {
    byId("title").textContent = status.ae_title;
    document.title = `${status.ae_title}: ${name}`;
    const [host, port] = status.address;
    byId("address").textContent = `${host}:${port}, success means ${status.durability}`;
  }
  const reasons = now.alive ? status.reasons : now.reasons;
  byId("reasons-section").hidden = !reasons.length;
  byId("reasons").replaceChildren(...reasons.map((reason) => made("li", reason)));
  const disk = status.disk || {};
  const spool = status.spool || {};
  byId("tiles").replaceChildren(
    tile("Associations", whole(status.associations || 0)),
    tile("Connections", whole(status.connections || 0)),
    tile("Requests in flight", whole(status.in_flight || 0)),
    tile("Instances received", whole(rate(now, "instances")), "a second"),
    tile("Received", bytes(rate(now, "received")), "a second"),
    tile("Sent", bytes(rate(now, "sent")), "a second"),
    tile("Requests answered", whole(rate(now, "requests")), "a second"),
    tile("Free on the disk", disk.free === undefined ? "unknown" : bytes(disk.free)),
    tile("Waiting in the spool", whole(spool.ready || 0)),
    tile("In quarantine", whole(spool.quarantine || 0)),
    tile("Index", (status.index || {}).state || "none"),
  );
  showProcesses(status);
  showPeers(now);
  earlier.push(now);
  if (earlier.length > SPAN) earlier.shift();
}

function showProcesses(status) {
  const workers = status.workers || [];
  const processes = [...(status.acceptors || []), ...workers.flatMap((one) => one.processes)];
  byId("processes").replaceChildren(
    ...processes.map((one) =>
      row(one.name, badge(made("span"), one.state, level(one.state)), amount(String(one.pid ?? "none")),
        one.restarts, one.text || one.last_exception || one.last_end || "")),
  );
  byId("workers").replaceChildren(
    ...[...workers, ...(status.others || [])].map((one) =>
      row(one.name, one.holds.join(", ") || "nothing: it watches", one.generation, one.members)),
  );
}

function showPeers(now) {
  byId("peers-none").hidden = now.peers.length > 0;
  byId("peers-table").hidden = !now.peers.length;
  byId("peers").replaceChildren(
    ...now.peers.map((one) =>
      row(one.calling || "no A-ASSOCIATE-RQ", one.called, one.instances, one.requests, one.failed,
        amount(bytes(one.received)), amount(bytes(one.sent)))),
  );
  byId("peers-more").hidden = !now.more;
  byId("peers-more").textContent = `And ${whole(now.more)} more, with less traffic.`;
}

async function look() {
  try {
    const answer = await fetch("status", { headers: { Accept: "application/json" } });
    if (answer.status === 401) throw new Error("open the address that `dicom-gateway serve` prints");
    show(await answer.json());
  } catch (error) {
    badge(byId("state"), `No answer from this gateway: ${error.message}`, "bad");
  }
}

setInterval(() => {
  if (!document.hidden) look();
}, PERIOD);
look();

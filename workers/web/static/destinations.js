// Where instances are sent on: how each destination is, what waits for it, and what to do about it.
import { ask, badge, button, bytes, duration, fill, made, moment, post, table, theirs, under, whole } from "./common.js";

const KINDS = { waiting: "", parked: "bad", sent: "warn", asked: "warn" };
const SOON = 30 * 86400;

function state(text) {
  const [word] = text.split(":");
  return badge(word, { ok: "good", suspended: "warn", "closed at this hour": "" }[word] ?? "bad");
}

function certificate(end, now) {
  if (!end) return [];
  const text = `certificate ends ${moment(end).slice(0, 10)}`;
  return [end - now < SOON ? badge(text, end < now ? "bad" : "warn") : made("div", text, { className: "quiet" })];
}

export function open(content) {
  const summary = made("p", "", { className: "quiet" });
  const list = table("Destinations", [["Name", "place"], ["State"], ["Waiting", "number"], ["Parked", "number"],
    ["Not confirmed", "number"], ["Last error", "wide"], ["Action", "actions"]],
  "Nothing is sent on: the configuration has no [[routes]].");
  const queue = made("section");
  fill(content, summary, list.element, queue);

  async function act(what, body, question) {
    if (question && !confirm(question)) return false;
    return post(`do/${what}`, body);
  }

  async function showQueue(name, only = "", after = 0, before = []) {
    const told = await ask("search/queue", { destination: name, state: only, skip: after });
    const again = () => showQueue(name, only, after, before);
    const rows = table(`Instances for ${name}`, [["SOP Instance UID", "uid"], ["State"], ["Failed", "number"], ["Waits", "number"],
      ["Size", "number"], ["Route"], ["Why", "wide"], ["Action"]], only ? "None." : "Nothing waits for it.");
    rows.update(told.rows.map((row) => {
      const body = { destination: name, number: row.number };
      const buttons = [
        button("Send now", async () => await act("retry-queued", body) && await again()), " ",
        button("Drop", async () => await act("drop-queued", body,
          `Do not send this instance to ${name}? It stays in the archive.\n\n${row.uid}`) && await again(), "danger")];
      for (const one of buttons) one.setAttribute?.("aria-label", `${one.textContent} ${row.uid}`);
      const cells = [theirs(row.uid), badge(row.state, KINDS[row.state] ?? ""), whole(row.attempts),
        duration(Math.max(0, Date.now() / 1000 - row.queued)), bytes(row.size), theirs(row.route), theirs(row.reason),
        made("span", buttons)];
      cells.key = `${row.number}`;
      return cells;
    }));
    const choice = made("div", [["All", ""], ["Parked", "parked"]].map(([text, wanted]) => {
      const one = button(text, () => showQueue(name, wanted));
      one.setAttribute("aria-pressed", String(wanted === only));
      return one;
    }), { className: "bar" });
    const back = button("Previous", () => showQueue(name, only, before.at(-1), before.slice(0, -1)));
    const on = button("Next", () => showQueue(name, only, told.rows.at(-1).number, [...before, after]));
    back.disabled = !before.length;
    on.disabled = !told.more;
    fill(queue, made("h2", `Instances for ${name}`), choice, told.error ? badge(told.error, "bad") : "", rows.element,
      before.length || told.more ? made("div", [back, on], { className: "bar" }) : "");
    if (!after) queue.scrollIntoView({ block: "nearest" });
  }

  function buttons(row) {
    const name = row.name;
    const isSuspended = row.state === "suspended";
    const found = [
      button("Show", () => showQueue(name)), " ",
      button(isSuspended ? "Resume" : "Suspend", () => act(`${isSuspended ? "resume" : "suspend"}-destination`, { destination: name },
        isSuspended ? "" : `Send nothing more to ${name}, from any host, until it is resumed? What is to be sent waits.`)), " ",
      button("Send all now", () => act("retry-queued", { destination: name },
        `Send everything that waits for ${name} or is parked as soon as possible?`))];
    if (row.parked) {
      found.push(" ", button("Drop parked", () => act("drop-queued", { destination: name },
        `Do not send the ${whole(row.parked)} parked instances to ${name}? They stay in the archive.`), "danger"));
    }
    for (const one of found) one.setAttribute?.("aria-label", `${one.textContent} ${name}`);
    return found;
  }

  function show(told) {
    const failing = told.rows.filter((row) => row.state !== "ok").length;
    const waiting = told.rows.reduce((sum, row) => sum + row.waiting, 0);
    const parked = told.rows.reduce((sum, row) => sum + row.parked, 0);
    summary.textContent = told.rows.length ? `${whole(told.rows.length)} destinations, not sending now: ${whole(failing)}. ` +
      `Instances waiting: ${whole(waiting)}, parked: ${whole(parked)}.` : "";
    list.update(told.rows.map((row) => {
      const error = row.error ? [theirs(row.error), made("div", moment(row.error_at), { className: "quiet" })] : "–";
      const name = made("div", [theirs(row.name), made("div", theirs(row.place), { className: "quiet" }),
        ...certificate(row.certificate_end, told.time)]);
      const oldest = row.oldest ? `oldest ${duration(Math.max(0, told.time - row.oldest))}` : "";
      const cells = [name, state(row.state), under(whole(row.waiting), oldest), whole(row.parked), whole(row.unconfirmed),
        made("div", error), made("span", buttons(row))];
      cells.key = `${row.name} ${row.state === "suspended"} ${row.parked > 0}`;
      return cells;
    }));
  }
  return { parameters: () => ({}), show };
}

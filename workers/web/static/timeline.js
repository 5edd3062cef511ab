// What passes over one association, in three lanes: the peer, the acceptor, the worker.
import { bytes, fill, made, theirs } from "./common.js";

const KEPT = 300;
const LANES = {
  EVT_PDU_RECV: [1, "→"], EVT_PDU_SENT: [1, "←"], EVT_FSM_TRANSITION: [2, ""],
  EVT_DIMSE_RECV: [3, "→"], EVT_DIMSE_SENT: [3, "←"],
};

function clock(seconds) {
  const at = new Date(seconds * 1000);
  return `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

function line(record) {
  const [lane, arrow] = LANES[record.event] || [2, ""];
  const size = record.length ? `, ${bytes(record.length)}` : "";
  return made("li", [made("time", clock(record.time)),
    made("span", [arrow ? `${arrow} ` : "", theirs(record.text), size], { className: `lane-${lane}` })]);
}

export function timeline(acceptor, association) {
  const head = made("li", ["Time", "Peer: PDUs", "Acceptor: transitions", "Worker: messages"]
    .map((text) => made("span", text, { className: "head" })));
  const list = made("ol", head, { className: "lanes", tabIndex: 0, ariaLabel: "What passes over this association" });
  const said = made("p", "Waiting for something to pass over it.", { className: "quiet", role: "status" });
  const source = new EventSource(`trace/${encodeURIComponent(acceptor)}/${encodeURIComponent(association)}`);
  source.onmessage = (message) => {
    const told = JSON.parse(message.data);
    if (told.error || told.over) {
      source.close();
      said.textContent = told.error ? `It cannot be followed: ${told.error}` : "The association has ended.";
      return;
    }
    if (told.left_out) said.textContent = `${told.left_out} records of the last half second were left out.`;
    else if (told.records.length) said.textContent = "";
    const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
    list.append(...told.records.map(line));
    while (list.children.length > KEPT) list.children[1].remove();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  };
  source.onerror = () => {
    source.close();
    said.textContent = "The stream has ended.";
  };
  return { element: fill(made("div"), said, list), close: () => source.close() };
}

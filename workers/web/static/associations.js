// The open associations, the state machine, and what passes over a chosen one.
import { button, bytes, duration, field, fill, made, post, table, theirs, typed, under, whole } from "./common.js";
import { machine } from "./state_machine.js";
import { timeline } from "./timeline.js";

const ROWS = 100;

export function open(content, look) {
  const summary = made("p", "", { className: "quiet" });
  const drawing = machine();
  const search = made("input", undefined, { type: "search", placeholder: "AE title, address, what it waits for" });
  const state = made("select", [made("option", "any state", { value: "" }),
    ...Array.from({ length: 13 }, (_, at) => made("option", `Sta${at + 1}`))]);
  const back = button("Previous", () => turn(-ROWS));
  const on = button("Next", () => turn(ROWS));
  const list = table("Open associations", [[""], ["Calling AE title"], ["Called"], ["State"], ["Waits for", "wide"],
    ["For", "number"], ["Instances", "number"], ["Requests", "number"], ["Received", "number"], ["Sent", "number"]], "No association is open.");
  const detail = made("section");
  fill(content, summary, drawing.element, detail,
    made("div", [field("Search", search), field("State", state), back, on], { className: "bar" }), list.element);
  let skip = 0;
  let chosen = null;
  let trace = null;

  function turn(by) {
    skip = Math.max(0, skip + by);
    look();
  }
  const again = () => turn(-skip);
  typed(search, again);
  state.addEventListener("change", again);

  function choose(row) {
    trace?.close();
    chosen = trace = null;
    fill(detail);
    if (row) {
      chosen = row.id;
      trace = timeline(row.acceptor, row.id);
      const abort = button("Abort this association", async () => {
        if (confirm(`Send an A-ABORT to ${row.calling}? What it is sending fails.`)) {
          await post("do/abort", { acceptor: row.acceptor, id: row.id });
        }
      }, "danger");
      const record = button("Record from now on", async () => {
        if (await post("do/record", { association: row.id, count: 1 })) location.href = "recordings";
      });
      fill(detail, made("h2", ["Association ", theirs(row.id), " of ", theirs(row.calling)]),
        made("div", [record, abort, button("Close", () => choose(null))], { className: "bar" }), trace.element);
    }
    look();
  }

  function show(told) {
    summary.textContent = `${whole(told.total)} open` +
      (told.told < told.total ? `, of which the latest ${whole(told.told)} are shown` : "") +
      (told.found < told.told ? `; ${whole(told.found)} match` : "") + ".";
    drawing.update(told.states, told.chosen?.state);
    back.disabled = !told.skip;
    on.disabled = told.skip + ROWS >= told.found;
    list.update(told.rows.map((row) => {
      const view = button(row.id === chosen ? "Shown" : "Show", () => choose(row));
      view.setAttribute("aria-label", `Show what passes over the association of ${row.calling || "a new peer"}`);
      const cells = [view, under(theirs(row.calling, "not said yet"), `${row.address[0]}:${row.address[1]}`),
        theirs(row.called), row.state, row.waits_for, duration(row.seconds), whole(row.instances), whole(row.messages),
        bytes(row.received), bytes(row.sent)];
      cells.chosen = row.id === chosen;
      cells.key = row.id;
      return cells;
    }));
  }
  const parameters = () => ({ search: search.value, state: state.value, skip, ...(chosen ? { id: chosen } : {}) });
  return { parameters, show };
}

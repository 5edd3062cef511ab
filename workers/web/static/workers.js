// Which worker answers what, and how its processes are.
import { badge, button, fill, made, post, table, theirs, whole } from "./common.js";

export function open(content) {
  const drain = button("Drain", () => {
    const text = "Reject new associations from now on? Open ones go on.";
    if (isDrained || confirm(text)) post(isDrained ? "do/resume" : "do/drain");
  });
  let isDrained = false;
  const said = made("p", "", { className: "quiet", role: "status" });
  const matrix = made("div");
  const list = table("Processes of workers", [["Process"], ["State"], ["Process ID", "number"], ["Generation", "number"],
    ["In hand", "number"], ["Restarts", "number"], ["Last exception or end", "wide"]], "No worker is configured.");
  fill(content, made("div", [drain, said], { className: "bar" }), made("h2", "Who answers what"), matrix,
    made("h2", "Processes"), list.element);

  function answers(told) {
    const columns = [["Event"], ...told.workers.map((one) => [theirs(one.name)])];
    const grid = table("Events and the workers that answer them", [...columns, ["Otherwise"]], "");
    grid.update(told.events.map((event) => {
      const held = told.workers.map((one) => one.holds.includes(event));
      return [event, ...held.map((does) => (does ? "● answers" : "–")),
        held.includes(true) ? "–" : "the gateway's own answer"];
    }));
    return grid.element;
  }
  let drawn = "";

  function show(told) {
    isDrained = told.drained;
    drain.textContent = isDrained ? "Accept associations again" : "Drain: reject new associations";
    said.textContent = isDrained ? "New associations are rejected; open ones go on." : "";
    const now = JSON.stringify([told.events, told.workers.map((one) => [one.name, one.holds])]);
    if (now !== drawn) fill(matrix, answers(told)); // else the focus would be lost
    drawn = now;
    list.update(told.workers.flatMap((worker) => (worker.processes || []).map((one) => [one.name, badge(one.state),
      one.pid ?? "–", worker.generation ?? "–", whole(one.in_hand ?? worker.in_hand), whole(one.restarts),
      theirs(one.last_exception || worker.last_exception || one.last_end || one.text)])));
  }
  return { parameters: () => ({}), show };
}

// Which worker answers what, and how its processes are.
import { badge, button, fill, made, post, table, theirs, whole } from "./common.js";
import { restartButton } from "./restart.js";

export function open(content) {
  const drain = button("Drain", () => {
    const text = "Reject new associations from now on? Open ones go on.";
    if (isDrained || confirm(text)) post(isDrained ? "do/resume" : "do/drain");
  });
  let isDrained = false;
  const drained = made("p", "New associations are rejected; open ones go on.", { className: "quiet", hidden: true });
  const said = made("p", "", { className: "quiet", role: "status" });
  const matrix = made("div");
  const list = table("Processes of workers", [["Process"], ["State"], ["Process ID", "number"], ["Generation", "number"],
    ["In hand", "number"], ["Waiting", "number"], ["Restarts", "number"], ["Last exception or end", "wide"], ["Action"]],
  "No worker is configured.");
  fill(content, made("div", [drain, drained, said], { className: "bar" }), made("h2", "Who answers what"), matrix,
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
  function swapButton(name) {
    const swap = button("Swap", async () => {
      const text = `Start a new generation of the worker ${name}, which takes over from the one that runs? ` +
        "No request waits or is lost.";
      if (!confirm(text)) return;
      said.textContent = `A new generation of ${name} is being started…`;
      const isDone = await post("do/swap", { name });
      said.textContent = isDone ? `A new generation of ${name} has taken over.` : "";
    });
    swap.setAttribute("aria-label", `Swap the worker ${name} for a new generation`);
    return swap;
  }
  let drawn = "";

  function show(told) {
    isDrained = told.drained;
    drain.textContent = isDrained ? "Accept associations again" : "Drain: reject new associations";
    drained.hidden = !isDrained;
    const now = JSON.stringify([told.events, told.workers.map((one) => [one.name, one.holds])]);
    if (now !== drawn) fill(matrix, answers(told)); // else the focus would be lost
    drawn = now;
    list.update(told.workers.flatMap((worker) => (worker.processes || []).map((one, at) => {
      const buttons = [restartButton(one.name, said)];
      if (!at && worker.name !== "web") buttons.push(" ", swapButton(worker.name));
      const cells = [one.name, badge(one.state), one.pid ?? "–", worker.generation ?? "–",
        whole(one.in_hand ?? worker.in_hand), at ? "" : whole(worker.waiting), whole(one.restarts),
        theirs(one.last_exception || worker.last_exception || one.last_end || one.text), made("span", buttons)];
      cells.key = one.name;
      return cells;
    })));
  }
  return { parameters: () => ({}), show };
}

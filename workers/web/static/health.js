// Whether the gateway can work, and how each of its parts is.
import { badge, bytes, duration, fill, made, table, theirs, tiles, whole } from "./common.js";
import { restartButton } from "./restart.js";

export function open(content) {
  const ready = made("p", "", { className: "wide" });
  const figures = made("div");
  const list = table("Processes", [["Process"], ["State"], ["Process ID", "number"], ["Restarts", "number"],
    ["Loop delay, half below", "number"], ["99 % below", "number"], ["Last end or exception", "wide"], ["Action"]], "");
  const said = made("p", "", { className: "quiet", role: "status" });
  fill(content, ready, figures, made("h2", "Processes"), said, list.element);
  function show(told) {
    const isReady = !told.not_ready.length;
    fill(ready, badge(isReady ? "ready" : "not ready", isReady ? "good" : "bad"), " ",
      isReady ? "It can accept associations and store instances." : theirs(told.not_ready.join("; ")));
    const { disk = {}, spool = {}, index = {} } = told;
    const all = [...(told.acceptors || []), ...(told.workers || []).flatMap((one) => one.processes || [])];
    fill(figures, tiles([
      ["Free on the disk", disk?.free === undefined ? "unknown" : bytes(disk.free)],
      ["Of", disk?.size === undefined ? "unknown" : bytes(disk.size)],
      ["Waiting in the spool", whole(spool?.ready), "data sets"],
      ["In quarantine", whole(spool?.quarantine), "data sets"],
      ["Index", index?.state || "none"],
      ["Processes that are ready", `${all.filter((one) => one.state === "ready").length} of ${all.length}`],
      ["Configuration", told.revision ? `revision ${told.revision}` : "as at the start"],
    ]));
    list.update(all.map((one) => {
      const cells = [one.name, badge(one.state), one.pid ?? "–", whole(one.restarts),
        duration(told.delays[one.name]?.median), duration(told.delays[one.name]?.p99),
        theirs(one.text || one.last_exception || one.last_end), restartButton(one.name, said)];
      cells.key = one.name;
      return cells;
    }));
  }
  return { parameters: () => ({}), show };
}

// Files that were set aside, because other content is stored under their UID: to compare, accept or drop.
import { ask, badge, button, bytes, fill, made, post, table, theirs, whole } from "./common.js";

const COLUMNS = [["Name"], ["SOP Instance UID", "uid"], ["Size", "number"], ["Received"], ["Action"]];

export async function showConflicts(place) {
  const told = await ask("search/conflicts");
  const list = table("Conflicts", COLUMNS, "No file was set aside.");
  const detail = made("section");
  const again = () => showConflicts(place);

  async function compare(row) {
    const found = await ask("search/differences", { uid: row.path });
    const elements = table("Differences", [["Element"], ["Stored", "wide"], ["Set aside", "wide"]], "No element differs.");
    elements.update(found.rows.map((one) => [theirs(one.element), theirs(one.stored, "(absent)"),
      theirs(one.aside, "(absent)")]));
    fill(detail, made("h2", ["What differs in ", theirs(row.name)]), found.error ? badge(found.error, "bad") : elements.element,
      found.more ? made("p", "There are more.", { className: "quiet" }) : "");
  }
  async function settle(what, row, question) {
    if (confirm(`${question}\n\n${row.SOPInstanceUID}`) && await post(`do/${what}`, { path: row.path })) await again();
  }
  list.update(told.rows.map((row) => {
    const buttons = row.holder ? ["kept by ", theirs(row.holder)] : [
      button("Compare", () => compare(row)), " ",
      button("Accept", () => settle("accept", row, "Make this file the instance, and delete the one that is stored?")), " ",
      button("Drop", () => settle("drop", row, "Delete this file? The instance that is stored stays."), "danger")];
    for (const one of buttons) one.setAttribute?.("aria-label", `${one.textContent} ${row.name}`);
    const cells = [theirs(row.name), theirs(row.SOPInstanceUID), bytes(row.size), theirs(row.received),
      made("span", buttons)];
    cells.key = row.path;
    return cells;
  }));
  fill(place, made("h2", "Conflicts"), told.error ? badge(told.error, "bad") : "",
    made("p", "Other content that came for an instance that is stored; " +
      `${whole(told.total)} ${told.total === 1 ? "file was" : "files were"} set aside. Compare first: to accept deletes ` +
      "what is stored, to drop deletes what came.", { className: "quiet", hidden: !told.total }), list.element, detail);
}

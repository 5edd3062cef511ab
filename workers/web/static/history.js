// How associations ended, newest first.
import { badge, button, bytes, duration, field, fill, made, moment, table, theirs, typed, under, whole } from "./common.js";

export function open(content, look) {
  const search = made("input", undefined, { type: "search", placeholder: "AE title, address, reason, status" });
  const ended = made("select", ["any end", "released", "rejected", "aborted"].map((text, at) =>
    made("option", text, { value: at ? text : "" })));
  const older = button("Older", () => {
    before = oldest;
    look();
  });
  const newest = button("Newest", () => {
    before = 0;
    look();
  });
  const trouble = made("p", "", { role: "status" });
  const list = table("Associations that have ended", [["Ended at", "number"], ["How"], ["Calling AE title"], ["Called"],
    ["Why", "wide"], ["Instances", "number"], ["Requests", "number"], ["Received", "number"], ["Sent", "number"]],
  "No association has ended yet.");
  fill(content, made("div", [field("Search", search), field("How it ended", ended), newest, older],
    { className: "bar" }), trouble, list.element);
  let before = 0;
  let oldest = 0;
  const again = () => {
    before = 0;
    look();
  };
  typed(search, again);
  ended.addEventListener("change", again);

  function show(told) {
    oldest = told.rows.at(-1)?.id ?? 0;
    newest.disabled = !before;
    older.disabled = told.rows.length < 100;
    trouble.textContent = told.trouble;
    list.update(told.rows.map((row) => [under(moment(row.at), `after ${duration(row.seconds)}`), badge(row.ended),
      under(theirs(row.calling), theirs(row.host)), theirs(row.called), under(theirs(row.why), theirs(row.statuses, "")),
      whole(row.instances), whole(row.messages), bytes(row.received), bytes(row.sent)]));
  }
  return { parameters: () => ({ search: search.value, ended: ended.value, before }), show };
}

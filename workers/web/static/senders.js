// Who sends instances, and who has fallen silent.
import { badge, duration, fill, made, moment, rate, table, theirs, whole } from "./common.js";

export function open(content) {
  const summary = made("p", "", { className: "quiet" });
  const list = table("Senders", [["Calling AE title"], ["State"], ["Last image"], ["Ago", "number"],
    ["Longest pause so far", "number"], ["A second", "number"], ["Instances", "number"], ["Addresses"]],
  "No instance has come yet.");
  fill(content, made("p", "A sender is called silent once its pause is over an hour and over twice its longest so far.",
    { className: "quiet" }), summary, list.element);
  function show(told) {
    const silent = told.rows.filter((row) => row.silent).length;
    summary.textContent = told.total ? `${whole(told.total)} known, ${whole(silent)} silent.` : "";
    list.update(told.rows.map((row) => [theirs(row.calling),
      row.silent ? badge("silent", "bad") : row.rate ? badge("sending", "good") : badge("quiet", ""),
      moment(row.last), duration(Math.max(0, row.pause)), row.longest ? duration(row.longest) : "–", rate(row.rate),
      whole(row.instances), theirs(row.addresses.join(", "))]));
  }
  return { parameters: () => ({}), show };
}

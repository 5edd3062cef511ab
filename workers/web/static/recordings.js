// Recordings of associations: start, stop, download, delete.
import { badge, button, bytes, field, fill, made, moment, post, table, theirs, under } from "./common.js";

export function open(content) {
  const calling = made("input", undefined, { type: "text", maxLength: 16, placeholder: "* for all" });
  const address = made("input", undefined, { type: "text", maxLength: 45, placeholder: "any" });
  const count = made("input", undefined, { type: "number", min: 0, max: 1000000, value: 1 });
  const rejected = made("input", undefined, { type: "checkbox" });
  const whole = made("input", undefined, { type: "checkbox" });
  const form = made("form", [field("Calling AE title", calling), field("Address", address),
    field("Associations (0: until it is stopped)", count), field("Only rejected ones", rejected),
    field("With data sets and passwords", whole), made("button", "Record", { type: "submit" })]);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = "Record data sets and passwords as they are sent? The file then has data of patients.";
    if (whole.checked && !confirm(text)) return;
    post("do/record", { calling: calling.value.trim(), address: address.value.trim(), count: Number(count.value) || 0,
      rejected: rejected.checked, redact: !whole.checked });
  });
  const list = table("Recordings", [["File", "wide"], ["State"], ["Last written"], ["Size", "number"], ["Content"],
    ["Action", "actions"]], "Nothing was recorded.");
  fill(content, made("p", "A recording has each PDU of the associations that begin from now on, with its time. It ends after an hour or " +
    "100 MB. Data sets, comments and passwords are left out unless you say otherwise. `dicom-gateway record show` and `record pcap` read it.",
  { className: "quiet" }), form, list.element);

  function show(told) {
    list.update(told.rows.map((row) => {
      const state = row.is_running ? badge("recording", "good") : row.error ? badge("failed", "bad") : badge("over", "");
      const buttons = row.is_running
        ? [button("Stop", () => post("do/stop-recording", { name: row.name }))]
        : [made("a", "Download", { href: `recordings/${row.name}`, download: row.name }), " ",
          button("Delete", () => confirm(`Delete ${row.name}?`) && post("do/delete-recording", { name: row.name }), "danger")];
      for (const one of buttons) one.setAttribute?.("aria-label", `${one.textContent} ${row.name}`);
      const cells = [under(row.name, theirs(row.error || row.what, "")), state, moment(row.at), bytes(row.size),
        row.is_redacted ? "without data sets" : badge("with data of patients", "warn"), made("span", buttons)];
      cells.key = `${row.name} ${row.is_running}`;
      return cells;
    }));
  }
  return { parameters: () => ({}), show };
}

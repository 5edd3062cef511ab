// Studies, series and instances of the archive, with search; and files that were set aside.
import { ask, badge, button, bytes, field, fill, made, table, theirs, whole } from "./common.js";
import { showConflicts } from "./conflicts.js";

const ROWS = 50;
const LEVELS = {
  studies: { title: "Studies", nothing: "No study matches.", key: "StudyInstanceUID", next: "series",
    columns: [["Patient's name", "PatientName", "place"], ["Patient ID", "PatientID", "short"], ["Date", "StudyDate"],
      ["Description", "StudyDescription", "place"], ["Modalities", "ModalitiesInStudy", "short"],
      ["Series", "NumberOfStudyRelatedSeries", "number"], ["Instances", "NumberOfStudyRelatedInstances", "number"],
      ["Accession", "AccessionNumber", "short"], ["Study Instance UID", "StudyInstanceUID", "uid"]] },
  series: { title: "Series", nothing: "No series.", key: "SeriesInstanceUID", next: "instances",
    columns: [["Modality", "Modality"], ["Number", "SeriesNumber", "number"], ["Description", "SeriesDescription", "wide"],
      ["Instances", "NumberOfSeriesRelatedInstances", "number"], ["Series Instance UID", "SeriesInstanceUID", "uid"]] },
  instances: { title: "Instances", nothing: "No instance.",
    columns: [["Number", "InstanceNumber", "number"], ["SOP Class UID", "SOPClassUID", "uid"],
      ["SOP Instance UID", "SOPInstanceUID", "uid"]] },
};

function date(text) {
  return /^\d{8}$/.test(text) ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : theirs(text);
}

function cell(row, [, keyword, kind], act) {
  const value = row[keyword];
  if (keyword === "StudyDate") return date(value || "");
  if (keyword === "ModalitiesInStudy") return theirs((value || "").replaceAll("\\", ", "));
  if (typeof value === "number") return whole(value);
  return act && kind === "uid" ? button(theirs(value), act, "link") : theirs(value);
}

function thumbnails(viewer, uid) {
  if (!viewer) return "";
  const address = new URL(`${viewer}/view/${encodeURIComponent(uid)}`);
  address.hostname = location.hostname;
  return made("a", "Thumbnails", { href: address.href, target: "_blank", rel: "noopener" });
}

export function open(content) {
  const storage = made("p", "", { className: "quiet" });
  const inputs = { PatientName: "Patient's name", PatientID: "Patient ID", StudyDate: "Study date",
    AccessionNumber: "Accession number" };
  for (const [keyword, label] of Object.entries(inputs)) {
    inputs[keyword] = { label, input: made("input", undefined, { type: "search", name: keyword,
      placeholder: keyword === "StudyDate" ? "20260101-20261231" : "" }) };
  }
  const form = made("form", [...Object.values(inputs).map(({ label, input }) => field(label, input)),
    made("button", "Search", { type: "submit" })]);
  const places = { studies: made("section"), series: made("section"), instances: made("section") };
  const conflicts = made("section");
  fill(content, storage, form, ...Object.values(places), conflicts);

  async function load(level, parameters, skip = 0) {
    const { title, nothing, columns, key, next } = LEVELS[level];
    const told = await ask(`search/${level}`, { ...parameters, skip });
    const list = table(title, columns.map(([name, , kind]) => [name, kind]), nothing);
    list.update(told.rows.map((row) => columns.map((column) =>
      cell(row, column, next && column[1] === key ? () => load(next, { uid: row[key] }) : null))));
    const back = button("Previous", () => load(level, parameters, skip - ROWS));
    const on = button("Next", () => load(level, parameters, skip + ROWS));
    back.disabled = !skip;
    on.disabled = !told.more;
    fill(places[level], made("h2", title), thumbnails(told.viewer, parameters.uid), told.error ? badge(told.error, "bad") : "", list.element,
      skip || told.more ? made("div", [back, on], { className: "bar" }) : "");
    if (level === "studies") fill(places.series);
    if (level !== "instances") fill(places.instances);
  }
  const find = () => load("studies", Object.fromEntries(new FormData(form)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    find();
  });
  find();
  showConflicts(conflicts);

  function show(told) {
    const disk = told.disk || {};
    const index = told.index || {};
    storage.textContent = (disk.size ? `${bytes(disk.free)} of ${bytes(disk.size)} are free at ${disk.path}. ` : "") +
      (index.place ? `Index: ${index.state}.` : "");
  }
  return { parameters: () => ({}), show };
}

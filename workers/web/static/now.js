// What happens at this moment, and the rates of 15 minutes or of a day.
import { bytes, duration, made, moment, rate, table, theirs, tiles, whole, field, fill } from "./common.js";

const AT = { time: 0, instances: 1, requests: 2, received: 3, sent: 4, associations: 5, in_flight: 6,
  median: 7, p99: 8 };
const PLOTS = [
  ["Instances received a second", [["instances", "instances"]], rate],
  ["Bytes a second", [["received", "received"], ["sent", "sent"]], bytes],
  ["Associations and requests in flight", [["associations", "associations"], ["in_flight", "in flight"]], whole],
  ["Time in handlers", [["median", "half below"], ["p99", "99 % below"]], duration],
];

function plot(place, series, format) {
  const color = (variable) => () => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
  const axis = { stroke: color("--quiet"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  const clock = (_, ticks) => ticks.map((tick) => moment(tick).slice(11, ticks[1] - ticks[0] < 60 ? 19 : 16));
  const lines = [["--lit", []], ["--warn", [6, 3]]];
  return new uPlot({
    width: place.clientWidth || 400, height: 170, cursor: { y: false },
    scales: { x: { time: true }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [{ ...axis, size: 28, values: clock }, { ...axis, size: 70, values: (_, ticks) => ticks.map(format) }],
    series: [{ label: "at", value: (_, at) => (at ? moment(at).slice(11) : "–") }, ...series.map(([, label], at) => ({
      label, stroke: color(lines[at][0]), dash: lines[at][1], width: 2, points: { show: false },
      value: (_, value) => (value === null || value === undefined ? "–" : format(value)) }))],
  }, [[], ...series.map(() => [])], place);
}

export function open(content) {
  const figures = made("div");
  const span = made("select", [made("option", "15 minutes", { value: "quarter" }),
    made("option", "24 hours", { value: "day" })]);
  const plots = made("div", undefined, { className: "plots" });
  const peers = table("Peers since the start", [["Calling AE title"], ["Called"], ["Instances", "number"],
    ["Requests", "number"], ["Failed", "number"], ["Received", "number"], ["Sent", "number"]],
  "No peer has been here yet.");
  const more = made("p", "", { className: "quiet" });
  fill(content, figures, made("h2", "Rates"), made("div", field("Of the last", span), { className: "bar" }), plots,
    made("h2", "Peers since the start"), peers.element, more);
  const drawn = PLOTS.map(([title, series, format]) => {
    const place = made("div");
    plots.append(made("figure", [made("figcaption", title), place]));
    return { chart: plot(place, series, format), series, place };
  });
  let points = [];

  function draw() {
    for (const { chart, series } of drawn) {
      chart.setData([points.map((point) => point[0]), ...series.map(([name]) => points.map((point) => point[AT[name]]))]);
    }
  }
  async function load() {
    points = await (await fetch(`rates/${span.value}`)).json();
    draw();
  }
  span.addEventListener("change", load);
  new ResizeObserver(() => drawn.forEach(({ chart, place }) =>
    chart.setSize({ width: place.clientWidth, height: 170 }))).observe(plots);
  const again = () => drawn.forEach(({ chart }) => chart.redraw(false, true));
  new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  load();

  function show(told) {
    const point = told.point;
    const disk = told.disk || {};
    const spool = told.spool || {};
    fill(figures, tiles([
      ["Associations", whole(told.associations)],
      ["Connections", whole(told.connections)],
      ["Requests in flight", whole(told.in_flight)],
      ["Instances received", rate(point.instances), "a second"],
      ["Received", bytes(point.received), "a second"],
      ["Sent", bytes(point.sent), "a second"],
      ["Requests answered", rate(point.requests), "a second"],
      ["Time in handlers", duration(point.median), "half below"],
      ["Time in handlers", duration(point.p99), "99 % below"],
      ["Free on the disk", disk.free === undefined ? "unknown" : bytes(disk.free)],
      ["Waiting in the spool", whole(spool.ready), "data sets"],
      ["In quarantine", whole(spool.quarantine), "data sets"],
    ]));
    peers.update(told.peers.map((one) => [theirs(one.calling, "no A-ASSOCIATE-RQ"), theirs(one.called),
      whole(one.instances), whole(one.requests), whole(one.failed), bytes(one.received), bytes(one.sent)]));
    more.textContent = told.more ? `And ${whole(told.more)} more, with less traffic.` : "";
    if (span.value === "quarter" && point.time > (points.at(-1)?.[0] ?? 0)) {
      points.push(Object.keys(AT).map((name) => point[name]));
      points = points.slice(-900);
      draw();
    }
  }
  return { parameters: () => ({}), show };
}

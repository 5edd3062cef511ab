// The states of an association (PS3.8 9.2) as a drawing: which are occupied, and which one is lit.
const SPACE = "http://www.w3.org/2000/svg";
const STATES = {
  Sta1: [60, 120, "idle"],
  Sta4: [190, 50, "opens connection"],
  Sta2: [190, 190, "awaits A-ASSOCIATE-RQ"],
  Sta5: [340, 50, "awaits answer"],
  Sta3: [340, 190, "decides"],
  Sta6: [480, 120, "data transfer"],
  Sta7: [620, 50, "awaits release"],
  Sta8: [620, 190, "finishes, then releases"],
  Sta9: [760, 30, "collision, requestor"],
  Sta11: [890, 30, "collision, requestor"],
  Sta10: [760, 95, "collision, acceptor"],
  Sta12: [890, 95, "collision, acceptor"],
  Sta13: [890, 190, "awaits close"],
};
const PATHS = [["Sta1", "Sta4"], ["Sta1", "Sta2"], ["Sta4", "Sta5"], ["Sta2", "Sta3"], ["Sta5", "Sta6"],
  ["Sta3", "Sta6"], ["Sta6", "Sta7"], ["Sta6", "Sta8"], ["Sta7", "Sta9"], ["Sta7", "Sta10"], ["Sta9", "Sta11"],
  ["Sta10", "Sta12"], ["Sta12", "Sta13"], ["Sta8", "Sta13"]];

function drawn(tag, attributes, text) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

export function machine() {
  const svg = drawn("svg", { viewBox: "0 0 960 240", class: "machine", role: "img",
    "aria-label": "The states of an association" });
  for (const [from, to] of PATHS) {
    const [[x1, y1], [x2, y2]] = [STATES[from], STATES[to]];
    svg.append(drawn("line", { x1, y1, x2, y2 }));
  }
  const places = {};
  for (const [state, [x, y, words]] of Object.entries(STATES)) {
    const group = drawn("g", {});
    const count = drawn("text", { x, y: y + 3 }, state);
    group.append(drawn("rect", { x: x - 48, y: y - 16, width: 96, height: 28, rx: 6 }), count,
      drawn("text", { x, y: y + 25, class: "small" }, words));
    svg.append(group);
    places[state] = { group, count };
  }
  const update = (counts, lit) => {
    for (const [state, { group, count }] of Object.entries(places)) {
      const number = counts[state] || 0;
      count.textContent = number ? `${state}: ${number}` : state;
      group.setAttribute("class", state === lit ? "lit" : number ? "some" : "");
    }
    const told = Object.entries(counts).map(([state, number]) => `${number} in ${state}`).join(", ");
    svg.setAttribute("aria-label", `The states of an association: ${told || "none is open"}` +
      (lit ? `; the chosen one is in ${lit}` : ""));
  };
  return { element: svg, update };
}

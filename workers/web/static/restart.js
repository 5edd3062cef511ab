// The button that has a process end and start again.
import { button, post } from "./common.js";

const OWN = "web";

function question(name) {
  if (name.startsWith("acceptor-")) {
    return `Restart ${name}? Its open associations are finished or, after the drain timeout, aborted; ` +
      "new ones wait until it is ready again.";
  }
  if (name.startsWith(`${OWN}-`)) return `Restart ${name}? This page is away for some seconds, and comes back by itself.`;
  return `Restart ${name}? It finishes what it has in hand; new requests wait until it is ready again.`;
}

// `said` is where it is told what happens.
export function restartButton(name, said) {
  const element = button("Restart", async () => {
    if (!confirm(question(name))) return;
    said.textContent = `${name} is being restarted…`;
    const isDone = await post("do/restart", { name });
    said.textContent = isDone ? `${name} was restarted.` : "";
  });
  element.setAttribute("aria-label", `Restart the process ${name}`);
  return element;
}

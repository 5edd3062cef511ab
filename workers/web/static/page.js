// The frame of all pages: navigation, the state of the gateway, and the stream of the open page.
import { badge, fill, made, theirs, level } from "./common.js";

const PAGES = ["now", "associations", "history", "senders", "destinations", "workers", "archive", "recordings", "health"];
const TITLES = { now: "Now", associations: "Associations", history: "History", senders: "Senders", destinations: "Destinations",
  workers: "Workers", archive: "Archive", recordings: "Recordings", health: "Health" };
const byId = (id) => document.getElementById(id);
const last = location.pathname.split("/").at(-1);
const name = PAGES.includes(last) ? last : "now";

fill(byId("pages"), PAGES.map((page) => {
  const link = made("a", TITLES[page], { href: page === "now" ? "./" : page });
  if (page === name) link.setAttribute("aria-current", "page");
  return made("li", link);
}));
byId("heading").textContent = TITLES[name];

const theme = localStorage.getItem("theme");
if (theme) document.documentElement.dataset.theme = theme;
byId("theme").addEventListener("click", () => {
  const isDark = getComputedStyle(document.documentElement).colorScheme === "dark";
  const chosen = isDark ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  localStorage.setItem("theme", chosen);
});

function frame(told) {
  const state = told.drained ? `${told.state}, drained` : told.state;
  const place = byId("state");
  if (place.textContent !== state) place.textContent = state;
  place.className = `state ${told.drained ? "warn" : level(told.state)}`;
  if (told.ae_title) {
    byId("title").textContent = told.ae_title;
    document.title = `${TITLES[name]} – ${told.ae_title}: ${state}`;
  }
  if (told.address) {
    byId("address").textContent = `${told.address[0]}:${told.address[1]}, success means ${told.durability}`;
  }
  byId("reasons-section").hidden = !told.reasons.length;
  const list = byId("reasons");
  if (list.textContent !== told.reasons.join("")) fill(list, told.reasons.map((one) => made("li", theirs(one))));
}

let source = null;
let view = null;

// Begin the stream anew; `view.parameters()` says what it is to show.
function look() {
  source?.close();
  source = null;
  if (document.hidden) return;
  source = new EventSource(`live/${name}?${new URLSearchParams(view.parameters())}`);
  source.onmessage = (message) => {
    const told = JSON.parse(message.data);
    frame(told);
    view.show(told);
  };
  source.onerror = () => {
    byId("state").textContent = "no answer from this gateway";
    byId("state").className = "state bad";
    if (source?.readyState === EventSource.CLOSED) setTimeout(look, 2000);
  };
}

const { open } = await import(`./${name}.js`);
view = open(byId("content"), look);
document.addEventListener("visibilitychange", look);
look();

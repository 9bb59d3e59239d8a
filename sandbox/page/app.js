// Wires the page: state comes as events, acts go by POST.

import { $, act, h, reconcile, toast } from "./dom.js";
import * as desk from "./desk.js";
import * as phones from "./phones.js";
import * as stream from "./stream.js";
import { lang, words } from "./words.js";

const TROUBLES = [
  "telegram_down", "telegram_429", "telegram_lost", "whatsapp_down", "whatsapp_lost", "whatsapp_500",
  "token_expired", "duplicates", "reversed", "bad_signature", "later",
];
const TABS = [["phones", "tabPhones", "☎"], ["desk", "tabDesk", "▤"], ["stream", "tabStream", "≋"], ["trouble", "tabTrouble", "⚡"]];
const HINT = "sandbox-hint-closed";
let told = null; // the last toast
let state = null;
let putAway = false; // the strip of a story that is over

function fillWords() {
  document.documentElement.lang = lang;
  document.title = words.title;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = words[node.dataset.t];
  for (const node of document.querySelectorAll("[data-l]")) node.setAttribute("aria-label", words[node.dataset.l]);
  const other = lang === "ru" ? "en" : "ru";
  $("lang").textContent = other === "en" ? "English" : "Русский";
  $("lang").lang = other;
  $("lang").href = `/?lang=${other}`;
}

function hint() {
  const closed = () => {
    try {
      return localStorage.getItem(HINT);
    } catch {
      return null;
    }
  };
  $("steps").replaceChildren(...words.steps.map(([title, more]) => h("li", {}, h("strong", {}, title), h("span", {}, more))));
  $("hint").hidden = Boolean(closed());
  $("hint-close").onclick = () => {
    $("hint").hidden = true;
    try {
      localStorage.setItem(HINT, "1");
    } catch {
      // private windows may refuse; the strip is back next time
    }
  };
}

function tabs() {
  $("tabs").replaceChildren(
    ...TABS.map(([name, label, icon]) =>
      h(
        "button",
        { type: "button", role: "tab", data: { tab: name }, "aria-selected": String(name === "phones"), "aria-controls": `column-${name}`, onclick: () => openTab(name) },
        h("span", { "aria-hidden": "true" }, icon),
        words[label],
      ),
    ),
  );
}

function openTab(name) {
  document.body.dataset.tab = name;
  for (const button of $("tabs").children) button.setAttribute("aria-selected", String(button.dataset.tab === name));
  toEnds();
}

// What was drawn while it was hidden has not scrolled.
function toEnds() {
  for (const log of document.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;
}

function drawTroubles(active) {
  const chips = TROUBLES.map((name) => ({ name, on: Boolean(active[name]) }));
  reconcile($("troubles"), chips, (chip) => chip.name, ({ name, on }) => {
    const [label] = words.trouble[name];
    const press = () => {
      say(name);
      if (name === "later") act("later");
      else act("trouble", { name, on: !on });
    };
    return h(
      "button",
      {
        type: "button", class: "chip", "aria-pressed": name === "later" ? null : String(on), onclick: press, data: { trouble: name },
        onmouseenter: () => say(name), onfocus: () => say(name),
      },
      label,
    );
  });
}

const say = (name) => ($("trouble-note").textContent = name ? words.trouble[name][1] : words.troubleIdle);

function drawStories(stories) {
  const button = $("stories-button");
  const close = () => {
    $("stories").hidden = true;
    button.setAttribute("aria-expanded", "false");
  };
  button.onclick = () => {
    $("stories").hidden = !$("stories").hidden;
    button.setAttribute("aria-expanded", String(!$("stories").hidden));
    if (!$("stories").hidden) $("stories").querySelector("button")?.focus();
  };
  const entries = stories.map(({ name, title, about }) => {
    const play = () => {
      close();
      button.focus();
      act("play", { name });
    };
    return h("button", { type: "button", class: "entry", data: { story: name }, onclick: play }, h("strong", {}, title[lang]), h("span", {}, about[lang]));
  });
  $("stories").replaceChildren(h("p", { class: "sheet-note" }, words.pickStory), ...entries);
  document.addEventListener("pointerdown", (event) => {
    if (!$("stories").contains(event.target) && !button.contains(event.target)) close();
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && close());
}

function drawStory(story) {
  const strip = $("story");
  const over = Boolean(story && (story.done || story.failed));
  if (!over) putAway = false;
  strip.hidden = !story || putAway;
  if (strip.hidden) return;
  const outcome = story.failed ? `${words.storyFailed}: ${story.failed}` : story.done ? words.storyDone : words.storyStep(story.step, story.steps);
  strip.className = `story ${story.failed ? "failed" : story.done ? "done" : ""}`;
  const close = () => {
    putAway = true;
    strip.hidden = true;
  };
  const parts = [
    h("progress", { max: story.steps, value: story.step, "aria-label": story.title[lang] }),
    h("strong", {}, story.title[lang]),
    h("span", {}, story.note && !over ? story.note[lang] : ""),
    h("small", {}, outcome),
  ];
  if (over) parts.push(h("button", { type: "button", class: "icon", "aria-label": words.close, onclick: close }, "✕"));
  strip.replaceChildren(...parts);
}

function drawClock(shift) {
  $("clock").hidden = shift === 0;
  $("clock").textContent = words.shifted(Math.round(shift / 3600));
}

function link(on) {
  $("link").className = `dot ${on ? "on" : ""}`;
  $("link").title = on ? words.online : words.offline;
  $("link").setAttribute("aria-label", $("link").title);
}

function draw(fresh) {
  const first = state === null;
  state = fresh;
  if (first) drawStories(state.stories);
  const watching = Boolean(state.story && !state.story.done && !state.story.failed);
  phones.draw(state.phones, watching);
  desk.draw(state.desk, state.ready, watching);
  stream.draw(state.stream);
  drawTroubles(state.troubles);
  drawStory(state.story);
  drawClock(state.shift);
  if (!first && state.toast && state.toast.number !== told) toast(state.toast.text);
  told = state.toast?.number ?? null;
}

fillWords();
hint();
tabs();
say(null);
link(false);
const events = new EventSource("/sandbox/events");
events.onopen = () => link(true);
events.onerror = () => link(false);
events.onmessage = (event) => draw(JSON.parse(event.data));

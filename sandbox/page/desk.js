// The owner's desk: topics, one conversation, its pinned card, her answers.

import { $, act, h, openMenu, reconcile, sticking, time } from "./dom.js";
import { Composer } from "./composer.js";
import { bubble, grouped } from "./message.js";
import { words } from "./words.js";

const EMOJI = ["👍", "❤", "🔥", "🙏", "👏"];
const NAME = /^(\P{L}*?)\s*([A-Z@][A-Z@+]*)\s·\s(.+)$/u;
const seen = new Map();
let chosen = "general"; // "general", "all" or a topic's id
let picked = false; // whether a person chose it
let shown = null;
let known = -1;
let desk = { topics: [], messages: [] };
let ready = false;

const composer = new Composer($("desk-form"), ({ text, reply, edit, photo, album }) => {
  const topic = chosen === "general" ? null : chosen;
  if (edit) return act("owner_edits", { message: edit.id, text });
  return act("owner_writes", { topic, text, reply_to: reply?.id, photo, album });
});

export function chooseTopic(id) {
  picked = true;
  chosen = id;
  composer.clear();
  document.body.dataset.chat = "open";
  draw(desk, ready);
  $("desk-log").scrollTop = $("desk-log").scrollHeight;
}

export function draw(fresh, isReady, follow = false) {
  desk = fresh;
  ready = isReady;
  const topics = desk.topics.filter((topic) => !topic.deleted);
  if (chosen !== "general" && chosen !== "all" && !topics.some((topic) => topic.id === chosen)) chosen = "general";
  const last = desk.messages[desk.messages.length - 1];
  if (last && last.id !== known) {
    if (known === -1) for (const message of desk.messages) see(message);
    if ((follow || !picked) && last.topic !== null) chosen = last.topic;
    else if (follow && last.who === "bot" && last.buttons.length) chosen = last.topic ?? "general";
    known = last.id;
  }
  const messages = chosen === "all" ? desk.messages : desk.messages.filter((m) => (m.topic ?? "general") === chosen);
  if (chosen !== "all") messages.forEach(see);
  drawTopics(topics);
  drawChat(topics, messages);
  shown = chosen;
}

function see(message) {
  const key = message.topic ?? "general";
  seen.set(key, Math.max(seen.get(key) ?? 0, message.id));
}

function drawTopics(topics) {
  const rows = [row("general", words.general, "", "⌂"), ...topics.map(topicRow).sort((a, b) => b.at - a.at)];
  rows.push({ ...row("all", words.all, "", "≡"), unread: 0, last: words.allSub });
  reconcile($("topics"), rows, (one) => one.id, buildRow);
}

function topicRow(topic) {
  const [, state, gate, name] = topic.name.match(NAME) ?? [null, "", "", topic.name];
  return row(topic.id, name, gate, state);
}

function row(id, name, gate, mark) {
  const messages = desk.messages.filter((m) => (m.topic ?? "general") === id && !m.service);
  const last = messages[messages.length - 1];
  const unread = messages.filter((m) => m.who === "bot" && m.id > (seen.get(id) ?? 0)).length;
  const line = last ? (last.who === "owner" ? `${words.you}: ` : "") + (last.text.split("\n")[0] || words.kinds[last.kind] || "") : "";
  return { id, name, gate, mark, last: line, at: last?.at ?? 0, unread, chosen: id === chosen };
}

function buildRow(one) {
  return h(
    "button",
    { type: "button", class: `topic ${gateClass(one.gate)}`, "aria-current": one.chosen ? "true" : null, onclick: () => chooseTopic(one.id) },
    h("span", { class: "state", "aria-hidden": "true" }, one.mark),
    h(
      "span",
      { class: "topic-body" },
      h(
        "span",
        { class: "topic-top" },
        h("strong", {}, one.name),
        one.at ? h("time", {}, time(one.at)) : null,
      ),
      h(
        "span",
        { class: "topic-last" },
        one.gate ? h("span", { class: "gate" }, one.gate) : null,
        h("span", { class: "said" }, one.last || " "),
        one.unread ? h("span", { class: "badge" }, String(one.unread)) : null,
      ),
    ),
  );
}

function gateClass(gate) {
  return { WA: "whatsapp", TG: "telegram" }[gate] ?? "other";
}

function drawChat(topics, messages) {
  const topic = topics.find((one) => one.id === chosen);
  const title = topic ? topic.name : chosen === "all" ? words.all : words.general;
  const sub = topic ? words.botSub : chosen === "all" ? words.allSub : words.generalSub;
  reconcile($("chat-head"), [{ id: chosen, title, sub }], (one) => one.id, (one) => buildHead(one, Boolean(topic)));
  const placeholder = chosen === "all" ? words.writeAll : topic ? words.writeOwner : words.writeGeneral;
  composer.set({ placeholder, disabled: chosen === "all" });
  drawPinned(messages);
  const log = $("desk-log");
  const fresh = shown !== chosen;
  sticking(log, fresh, () => {
    const names = new Map(desk.topics.map((one) => [one.id, one.name]));
    const view = viewOf(chosen === "all" ? (m) => (m.topic === null ? words.general : names.get(m.topic)) : null);
    const nothing = { id: "empty", empty: true, ready, general: chosen === "general" };
    const items = messages.length ? grouped(messages) : [nothing];
    reconcile(log, items, (m) => `${chosen}-${m.id}`, (m) => (m.empty ? empty() : bubble(m, view)));
  });
}

function buildHead(one, isTopic) {
  const forget = { label: words.deleteTopic, danger: true, act: () => act("owner_deletes_topic", { topic: one.id }) };
  return h(
    "div",
    { class: "head" },
    h("button", { type: "button", class: "icon back", "aria-label": words.back, onclick: () => (document.body.dataset.chat = "") }, "‹"),
    h("div", { class: "who" }, h("strong", {}, one.title), h("small", {}, one.sub)),
    isTopic
      ? h("button", { type: "button", class: "icon", "aria-label": words.actions, "aria-haspopup": "menu", onclick: (e) => openMenu(e.currentTarget, [forget]) }, "⋮")
      : null,
  );
}

function drawPinned(messages) {
  const pins = messages.filter((m) => m.pins !== null).map((m) => m.pins);
  const card = chosen === "all" ? null : messages.findLast((m) => pins.includes(m.id));
  const strip = $("pinned");
  strip.hidden = !card;
  if (!card) return strip.replaceChildren();
  reconcile(strip, [card], (one) => one.id, (one) => {
    const [first, ...rest] = one.text.split("\n");
    const jump = () => $("desk-log").querySelector(`[data-key="${chosen}-${one.id}"]`)?.scrollIntoView({ block: "center", behavior: "smooth" });
    return h(
      "button",
      { type: "button", class: "pin", onclick: jump, title: words.pinned },
      h("span", { class: "pin-mark", "aria-hidden": "true" }),
      h("span", { class: "pin-body" }, h("strong", {}, first), h("span", {}, rest.join(" · "))),
    );
  });
}

function empty() {
  const line = !ready ? words.starting : chosen === "general" ? words.emptyDesk : words.emptyTopic;
  return h("div", { class: "empty" }, ready ? null : h("span", { class: "spinner", "aria-hidden": "true" }), h("p", {}, line));
}

function viewOf(label) {
  return {
    network: "telegram",
    label,
    mine: (message) => message.who === "owner",
    items: (message) => {
      if (chosen === "all") return [];
      const own = message.who === "owner";
      const topic = message.topic;
      const items = [
        { row: EMOJI.map((emoji) => ({ label: emoji, act: () => act("owner_reacts", { message: message.id, emoji }) })) },
        { label: words.reply, act: () => composer.replyTo(message) },
      ];
      if (own) items.push({ label: words.edit, act: () => composer.editOf(message) });
      if (own && topic !== null)
        items.push({ label: words.removeDel, danger: true, act: () => act("owner_writes", { topic, text: "/del", reply_to: message.id }) });
      return items;
    },
  };
}

// The clients' phones: one in hand, the others as tabs.

import { $, act, h, openMenu, reconcile, sticking } from "./dom.js";
import { Composer } from "./composer.js";
import { bubble, grouped } from "./message.js";
import { words } from "./words.js";

const EMOJI = ["👍", "❤", "🔥", "😁", "🙏"];
const seen = new Map();
let chosen = "maria";
let shown = null;
let phones = [];

const composer = new Composer($("phone-form"), ({ text, reply, edit, photo, album }) => {
  if (edit) return act("client_edits", { person: chosen, message: edit.id, text });
  return act("client_writes", { person: chosen, text, reply_to: reply?.id, photo, album });
});

export const initials = (name) =>
  name
    .split(/\s+/)
    .slice(0, 2)
    .map((part) => [...part][0])
    .join("");

export function choosePerson(key) {
  if (key === chosen) return;
  chosen = key;
  composer.clear();
  draw(phones);
}

export function draw(all, follow = false) {
  phones = all;
  if (follow) {
    const latest = all.filter((p) => p.messages.length > (seen.get(p.key) ?? 0));
    if (latest.length && !latest.some((p) => p.key === chosen)) chosen = latest[0].key;
  }
  const phone = all.find((p) => p.key === chosen);
  seen.set(chosen, phone.messages.length);
  reconcile($("people"), all.map(tabOf), (tab) => tab.key, buildTab);
  drawPhone(phone, shown !== chosen);
  shown = chosen;
}

function tabOf(phone) {
  const unread = Math.max(0, phone.messages.length - (seen.get(phone.key) ?? 0));
  return { key: phone.key, name: phone.name, network: phone.network, unread, chosen: phone.key === chosen };
}

function buildTab(tab) {
  return h(
    "button",
    {
      type: "button", role: "tab", class: `person ${tab.network}`, "aria-selected": String(tab.chosen), "aria-controls": "phone",
      title: `${tab.name} · ${words.networks[tab.network]}`, onclick: () => choosePerson(tab.key),
    },
    h("span", { class: "avatar", "aria-hidden": "true" }, initials(tab.name)),
    h("span", { class: "person-name" }, tab.name.split(" ")[0]),
    tab.unread ? h("span", { class: "badge" }, String(tab.unread)) : null,
  );
}

function drawPhone(phone, fresh) {
  $("phone").className = `phone ${phone.network}`;
  const head = { key: phone.key, typing: phone.typing };
  reconcile($("phone-head"), [head], (one) => one.key, () => buildHead(phone));
  composer.set({ placeholder: words.writeAs(phone.name.split(" ")[0]), disabled: false });
  const log = $("phone-log");
  sticking(log, fresh, () => {
    const view = viewOf(phone);
    const items = phone.messages.length ? grouped(phone.messages) : [{ id: `empty-${phone.key}`, empty: true }];
    reconcile(log, items, (m) => `${phone.key}-${m.id}`, (m) => (m.empty ? empty(phone) : bubble(m, view)));
  });
}

function buildHead(phone) {
  const items = [];
  if (phone.network === "whatsapp" && !phone.reads) items.push({ label: words.markRead, act: () => act("client_reads", { person: phone.key }) });
  if (phone.network !== "telegram")
    items.push({ label: words.elsewhere, act: () => act("owner_elsewhere", { person: phone.key, text: words.elsewhereText }) });
  const note = phone.typing ? words.typing : [words.networks[phone.network], phone.handle, phone.reads && words.autoRead].filter(Boolean).join(" · ");
  return h(
    "div",
    { class: "head" },
    h("span", { class: "avatar", "aria-hidden": "true" }, initials(phone.name)),
    h("div", { class: "who" }, h("strong", {}, phone.name), h("small", {}, note)),
    items.length
      ? h("button", { type: "button", class: "icon", "aria-label": words.actions, "aria-haspopup": "menu", onclick: (e) => openMenu(e.currentTarget, items) }, "⋮")
      : null,
  );
}

function empty(phone) {
  return h(
    "div",
    { class: "empty" },
    h("p", {}, h("strong", {}, words.emptyPhone(phone.name.split(" ")[0]))),
    h("p", {}, words.emptyPhoneHint),
    words.quick.map((text) => h("button", { type: "button", class: "quick", onclick: () => act("client_writes", { person: phone.key, text }) }, text)),
  );
}

function viewOf(phone) {
  const person = phone.key;
  return {
    network: phone.network,
    ticks: phone.network === "whatsapp",
    mine: (message) => message.who === "client",
    items: (message) => {
      const own = message.who === "client";
      const items = [{ label: words.reply, act: () => composer.replyTo(message) }];
      if (phone.network !== "business")
        items.unshift({ row: EMOJI.map((emoji) => ({ label: emoji, act: () => act("client_reacts", { person, message: message.id, emoji }) })) });
      if (own) items.push({ label: words.edit, act: () => composer.editOf(message) });
      if (own) items.push({ label: words.remove, danger: true, act: () => act("client_deletes", { person, message: message.id }) });
      return items;
    },
  };
}

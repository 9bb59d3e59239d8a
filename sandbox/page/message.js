// One message as a bubble: words with their formatting, pictures, a quote, reactions, buttons.

import { act, h, openMenu, time, toast } from "./dom.js";
import { words } from "./words.js";

const TAGS = { bold: "b", italic: "i", underline: "u", strikethrough: "s", code: "code", pre: "pre" };
const MARKS = { "✍": "waiting", "🕊": "sent", "👌": "delivered", "👀": "read", "🤔": "uncertain", "💔": "failed", "🙈": "note" };

// Neighbours of one album become one bubble.
export function grouped(messages) {
  const groups = [];
  for (const message of messages) {
    const last = groups[groups.length - 1];
    if (message.album && last && last.album === message.album && last.who === message.who) {
      last.more.push(message.media);
      last.text ||= message.text;
      if (!last.entities?.length) last.entities = message.entities;
      last.reactions = last.reactions.length ? last.reactions : message.reactions;
    } else groups.push({ ...message, more: [] });
  }
  return groups;
}

// view: {mine(message), network, items(message), reactionsOf, author}
export function bubble(message, view) {
  if (message.service) return service(message);
  const mine = view.mine(message);
  const pictures = [message.media, ...message.more].filter(Boolean);
  const body = h(
    "div",
    { class: `bubble ${pictures.length ? "with-media" : ""}` },
    view.label ? h("div", { class: "label" }, view.label(message)) : null,
    message.reply ? h("div", { class: "quote" }, message.quote || message.reply.text) : null,
    media(message, pictures),
    message.deleted ? h("em", { class: "gone" }, words.deleted) : text(message, view.network),
    h(
      "div",
      { class: "meta" },
      message.edited ? h("span", {}, words.edited) : null,
      h("time", {}, time(message.at)),
      view.ticks ? ticks(message, mine) : null,
    ),
  );
  const items = message.deleted ? [] : view.items(message);
  const more = items.length
    ? h(
        "button",
        { type: "button", class: "more", "aria-label": words.actions, "aria-haspopup": "menu", onclick: (e) => openMenu(e.currentTarget, items) },
        "⋯",
      )
    : null;
  return h(
    "article",
    { class: `message ${mine ? "mine" : "theirs"}`, data: { who: message.who } },
    h("div", { class: "line" }, body, more),
    buttons(message),
    reactions(message),
  );
}

function service(message) {
  const said = words.service[message.service] || message.service;
  return h("article", { class: "message service" }, h("span", {}, said));
}

function ticks(message, mine) {
  if (!mine) return null;
  return h("span", { class: `ticks ${message.status === "read" ? "read" : ""}`, "aria-hidden": "true" }, message.status === "read" ? "✓✓" : "✓");
}

function media(message, files) {
  if (!files.length) return null;
  if (message.kind === "photo" || message.kind === "sticker") {
    const pictures = files.map((file) =>
      h("img", { src: file.url, alt: words.kinds[message.kind], loading: "lazy", width: 320, height: 214 }),
    );
    return h("div", { class: `media ${message.kind} count-${Math.min(files.length, 4)}` }, pictures);
  }
  const kind = words.kinds[message.kind] || message.kind;
  return h("a", { class: "file", href: files[0].url, download: "" }, h("span", { "aria-hidden": "true" }, "▤"), h("span", {}, files[0].name || kind));
}

function text(message, network) {
  if (!message.text) {
    const bare = message.media || message.kind === "text";
    return bare ? null : h("div", { class: "text muted" }, words.kinds[message.kind] || message.kind);
  }
  return h("div", { class: "text" }, network === "whatsapp" ? starred(message.text) : marked(message.text, message.entities || []));
}

// Telegram's entities: offsets count UTF-16 units, as strings here do.
function marked(said, entities) {
  const cuts = new Set([0, said.length]);
  for (const { offset, length } of entities) cuts.add(offset).add(offset + length);
  const edges = [...cuts].sort((a, b) => a - b);
  return edges.slice(0, -1).map((start, n) => {
    const inside = entities.filter((e) => e.offset <= start && e.offset + e.length >= edges[n + 1]);
    return inside.reduceRight((node, entity) => wrapped(entity, node), document.createTextNode(said.slice(start, edges[n + 1])));
  });
}

function wrapped(entity, node) {
  if (TAGS[entity.type]) return h(TAGS[entity.type], {}, node);
  if (entity.type.endsWith("blockquote")) return h("span", { class: "block" }, node);
  if (entity.type === "bot_command") return h("span", { class: "command" }, node);
  if (entity.type === "spoiler") return h("span", { class: "spoiler", tabindex: "0" }, node);
  const address = entity.type === "text_link" ? entity.url : entity.type === "url" ? node.textContent : "";
  if (/^https?:\/\//.test(address)) return h("a", { href: address, rel: "noopener noreferrer", target: "_blank" }, node);
  return h("span", {}, node);
}

// WhatsApp's own marks.
function starred(said) {
  const parts = said.split(/(\*[^*\n]+\*|_[^_\n]+_|~[^~\n]+~|```[^`]+```)/);
  return parts.map((part) => {
    if (/^\*.+\*$/.test(part)) return h("b", {}, part.slice(1, -1));
    if (/^_.+_$/.test(part)) return h("i", {}, part.slice(1, -1));
    if (/^~.+~$/.test(part)) return h("s", {}, part.slice(1, -1));
    if (/^```[^`]+```$/.test(part)) return h("code", {}, part.slice(3, -3));
    return part;
  });
}

function reactions(message) {
  if (!message.reactions.length) return null;
  const chips = message.reactions.map(({ who, emoji }) =>
    h("span", { class: `reaction ${who === "bot" ? MARKS[emoji.replace(/\ufe0f/g, "")] || "" : "own"}` }, emoji),
  );
  return h("div", { class: "reactions" }, chips);
}

function buttons(message) {
  if (!message.buttons?.length) return null;
  return h(
    "div",
    { class: "buttons" },
    message.buttons.map((row) => h("div", { class: "row" }, row.map((one) => button(message, one)))),
  );
}

function button(message, { text: label, data, style, url, copy, off }) {
  if (url) return h("a", { class: `key ${style}`, href: url, rel: "noopener noreferrer", target: "_blank" }, label);
  const press = async (event) => {
    if (copy) {
      await navigator.clipboard?.writeText(copy).catch(() => {});
      return toast(words.copied);
    }
    event.currentTarget.classList.add("pressed");
    act("press", { message: message.id, data });
  };
  return h("button", { type: "button", class: `key ${style}`, disabled: off || (!data && !copy), onclick: press }, label);
}

// The export, newest line on top, each with its age in the moment it could be read.

import { $, h, reconcile } from "./dom.js";
import { words } from "./words.js";

const KEPT = 100;

export function draw(lines) {
  const newest = lines.slice(-KEPT).reverse();
  const items = newest.length ? newest : [{ number: "empty" }];
  reconcile($("lines"), items, (line) => line.number, (line) => (line.body ? build(line) : empty()), (line) => String(line.number));
  const ages = newest.map((line) => line.age).sort((a, b) => a - b);
  const middle = ages[Math.floor(ages.length / 2)];
  $("speed").replaceChildren(
    ...(ages.length ? [h("strong", { class: pace(middle) }, words.ms(middle)), h("small", {}, words.speed)] : []),
  );
}

const pace = (age) => (age < 250 ? "fast" : age < 1000 ? "fair" : "slow");

function build({ age, at, body }) {
  const { data } = body;
  const gist = data.text ?? data.state ?? data.emoji ?? data.name ?? "";
  return h(
    "details",
    { class: "fact" },
    h(
      "summary",
      {},
      h("span", { class: `provider ${body.provider}` }, words.networks[body.provider] ?? body.provider),
      h("code", {}, data.type),
      h("span", { class: `age ${pace(age)}` }, words.ms(age)),
      h("span", { class: "gist" }, gist || new Date(at * 1000).toLocaleTimeString("ru-RU")),
    ),
    h("pre", {}, coloured(body)),
  );
}

function coloured(body) {
  const parts = JSON.stringify(body, null, 2).split(/("(?:[^"\\]|\\.)*"(?=:)|"(?:[^"\\]|\\.)*"|\b\d+\b|\bnull\b|\btrue\b|\bfalse\b)/);
  return parts.map((part, n) => {
    if (n % 2 === 0) return part;
    const isKey = part.startsWith('"') && parts[n + 1]?.startsWith(":");
    return h("span", { class: isKey ? "k" : part.startsWith('"') ? "s" : "n" }, part);
  });
}

function empty() {
  return h("div", { class: "empty" }, h("p", {}, h("strong", {}, words.emptyStream)), h("p", {}, words.emptyStreamSub));
}

// Small tools for building and updating the page without a framework.

export const $ = (id) => document.getElementById(id);

export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "data") Object.assign(node.dataset, value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Bring `parent` to one node per item; a node is rebuilt only when its signature has changed, so nothing jumps.
export function reconcile(parent, items, keyOf, build, signature = JSON.stringify) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    const mark = signature(item);
    let node = old.get(key);
    old.delete(key);
    if (node && node.signature !== mark) {
      const fresh = make(item, key, mark, build);
      fresh.classList.add("changed");
      if (place === node) place = fresh;
      node.replaceWith(fresh);
      node = fresh;
    } else if (!node) {
      node = make(item, key, mark, build);
      node.classList.add("new");
    }
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const node of old.values()) node.remove();
}

function make(item, key, mark, build) {
  const node = build(item);
  node.dataset.key = key;
  node.signature = mark;
  return node;
}

// Change a log and stay at its end if it was there.
export function sticking(log, fresh, change) {
  const atEnd = fresh || log.scrollHeight - log.scrollTop - log.clientHeight < 90;
  change();
  if (fresh) for (const node of log.children) node.classList.remove("new");
  if (atEnd) log.scrollTop = log.scrollHeight;
}

// In the product's zone (TIMEZONE of `scene.py`): the texts of the desk carry times too.
export const time = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString("ru-RU", { hour: "2-digit", minute: "2-digit", timeZone: "Europe/Moscow" });

const menu = $("menu");
let opener = null;

export function openMenu(anchor, items) {
  if (opener === anchor) return closeMenu();
  closeMenu();
  opener = anchor;
  anchor.setAttribute("aria-expanded", "true");
  menu.replaceChildren(
    ...items.map((item) =>
      item.row
        ? h("div", { class: "menu-row" }, item.row.map((one) => menuButton(one, "emoji")))
        : menuButton(item, item.danger ? "danger" : ""),
    ),
  );
  menu.hidden = false;
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const left = Math.min(Math.max(8, box.right - width), innerWidth - width - 8);
  const below = box.bottom + 6 + height < innerHeight;
  menu.style.left = `${left}px`;
  menu.style.top = `${below ? box.bottom + 6 : Math.max(8, box.top - height - 6)}px`;
  menu.querySelector("button")?.focus();
}

function menuButton(item, look) {
  const act = () => {
    closeMenu(true);
    item.act();
  };
  return h("button", { type: "button", role: "menuitem", class: look, onclick: act }, item.label);
}

export function closeMenu(refocus = false) {
  if (!opener) return;
  opener.setAttribute("aria-expanded", "false");
  if (refocus) opener.focus({ preventScroll: true });
  opener = null;
  menu.hidden = true;
}

document.addEventListener("pointerdown", (event) => {
  if (opener && !menu.contains(event.target) && !opener.contains(event.target)) closeMenu();
});
document.addEventListener("keydown", (event) => {
  if (!opener) return;
  if (event.key === "Escape") closeMenu(true);
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const buttons = [...menu.querySelectorAll("button")];
  const step = event.key === "ArrowDown" ? 1 : buttons.length - 1;
  buttons[(buttons.indexOf(document.activeElement) + step) % buttons.length]?.focus();
  event.preventDefault();
});

let fading = 0;

export function toast(text, bad = false) {
  const node = $("toast");
  node.textContent = text;
  node.classList.toggle("bad", bad);
  node.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => (node.hidden = true), 4500);
}

export async function act(action, more = {}) {
  try {
    const answer = await fetch("/sandbox/do", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ action, ...more }),
    });
    const said = await answer.json();
    if (!said.ok) toast(said.error, true);
    return said.ok;
  } catch {
    toast("—", true);
    return false;
  }
}

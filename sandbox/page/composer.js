// The line to write in: Enter sends, Shift+Enter breaks; pictures; a reply or an edit shows above it.

import { $, h, openMenu, toast } from "./dom.js";
import { words } from "./words.js";

const LARGEST = 5 * 1024 * 1024;

export class Composer {
  // send({text, reply, edit, photo, album}) -> whether it was done
  constructor(form, send) {
    this.send = send;
    this.reply = null;
    this.edit = null;
    this.field = h("textarea", { rows: 1, enterkeyhint: "send" });
    this.strip = h("div", { class: "strip", hidden: true });
    this.attach = h(
      "button",
      { type: "button", class: "icon attach", "aria-label": words.attach, "aria-haspopup": "menu", onclick: (e) => this.#attach(e.currentTarget) },
    );
    this.button = h("button", { type: "submit", class: "icon send", "aria-label": words.send });
    form.append(this.strip, h("div", { class: "bar" }, this.attach, this.field, this.button));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.#submit();
      } else if (event.key === "Escape" && (this.reply || this.edit)) this.clear();
    });
    this.field.addEventListener("input", () => this.#grow());
  }

  set({ placeholder, disabled }) {
    if (this.field.placeholder !== placeholder) {
      this.field.placeholder = placeholder;
      this.field.setAttribute("aria-label", placeholder);
    }
    for (const node of [this.field, this.attach, this.button]) node.disabled = disabled;
  }

  replyTo(message) {
    this.clear();
    this.reply = message;
    this.#show(words.replying, message);
  }

  editOf(message) {
    this.clear();
    this.edit = message;
    this.field.value = message.text;
    this.#show(words.editing, message);
    this.#grow();
  }

  clear() {
    if (this.edit) this.field.value = "";
    this.reply = this.edit = null;
    this.strip.hidden = true;
    this.#grow();
  }

  #show(label, message) {
    const said = message.text || words.kinds[message.kind] || message.kind;
    this.strip.replaceChildren(
      h("div", {}, h("b", {}, label), h("span", {}, said)),
      h("button", { type: "button", class: "icon", "aria-label": words.cancel, onclick: () => this.clear() }, "✕"),
    );
    this.strip.hidden = false;
    this.field.focus();
  }

  async #submit(more = {}) {
    const text = this.field.value.trim();
    if (!text && !more.photo && !more.album) return;
    const { reply, edit } = this;
    this.field.value = "";
    this.clear();
    if (!(await this.send({ text, reply, edit, ...more }))) {
      this.field.value = text;
      this.#grow();
    }
  }

  #attach(anchor) {
    openMenu(anchor, [
      { label: words.attachSample, act: () => this.#submit({ photo: true }) },
      { label: words.attachAlbum, act: () => this.#submit({ album: 3 }) },
      { label: words.attachOwn, act: () => this.#pick() },
    ]);
  }

  #pick() {
    const input = $("file");
    input.value = "";
    input.onchange = () => {
      const [file] = input.files;
      if (!file) return;
      if (file.size > LARGEST) return toast("> 5 MB", true);
      const reader = new FileReader();
      reader.onload = () => this.#submit({ photo: String(reader.result).split(",")[1] });
      reader.readAsDataURL(file);
    };
    input.click();
  }

  #grow() {
    this.field.style.height = "";
    const wanted = this.field.value ? this.field.scrollHeight : 0; // 0 also while it is hidden
    if (wanted) this.field.style.height = `${Math.min(wanted, 120)}px`;
  }
}

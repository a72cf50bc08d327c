// Everything that is shown is made here: texts become text nodes, so what files hold is never read as markup.

function h(name, attributes, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(key, value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function button(text, click, attributes) {
  return h("button", { type: "button", click, ...attributes }, text);
}

function iconButton(sign, text, click) {
  return button(sign, click, { class: "icon", "aria-label": text, title: text });
}

function select(label, choices, chosen, change) {
  const box = h("select", { "aria-label": label, change: () => change(box.value) });
  for (const [value, text] of choices) box.append(h("option", { value }, text));
  box.value = String(chosen);
  return box;
}

function labelled(label, control) {
  return h("label", { class: "labelled" }, h("span", null, label), control);
}

// One of a few choices, shown side by side; `change` is told the value.
function switcher(label, choices, chosen, change) {
  const group = h("div", { class: "switch", role: "group", "aria-label": label });
  const press = (value) => {
    for (const item of group.children) item.setAttribute("aria-pressed", String(item.dataset.value === value));
  };
  for (const [value, text] of choices) {
    const item = button(text, () => {
      press(value);
      change(value);
    });
    item.dataset.value = value;
    group.append(item);
  }
  press(chosen);
  return group;
}

const announcer = h("div", { class: "offscreen", role: "status", "aria-live": "polite" });
const notice = h("div", { class: "notice", "aria-hidden": "true", hidden: true });
let noticeEnds;

function announce(text) {
  announcer.textContent = text;
  notice.textContent = text;
  notice.hidden = false;
  clearTimeout(noticeEnds);
  noticeEnds = setTimeout(() => {
    notice.hidden = true;
  }, 2500);
}

async function copy(text) {
  const focused = document.activeElement;
  const area = h("textarea", { class: "offscreen", "aria-hidden": "true", tabindex: "-1" });
  area.value = text;
  document.body.append(area);
  area.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } finally {
    area.remove();
    focused?.focus?.({ preventScroll: true });
  }
  if (!done) {
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      done = false;
    }
  }
  announce(say(done ? "copied" : "notCopied"));
}

function provenance(sources) {
  const named = Array.isArray(sources) ? sources.filter((source) => source && source.name) : [];
  const line = h("p", { class: "provenance" });
  if (!named.length) {
    line.append(say("noSource"));
    return line;
  }
  line.append(`${say("source")}: `);
  named.forEach((source, place) => {
    const file = source.file && source.file !== source.name ? `${source.file}, ` : "";
    line.append(
      place ? "; " : "",
      h("b", null, source.name),
      " (",
      file,
      h("span", { title: source.modified }, say("modified", { when: sayMoment(source.modified) })),
      ")",
    );
  });
  const { read_at: read } = named[0];
  line.append(" · ", h("span", { title: read }, say("readAt", { when: sayMoment(read) })));
  return line;
}

function problemBox(message, hint) {
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("p", null, message || say("failed")),
    hint ? h("p", { class: "hint" }, hint) : null,
  );
}

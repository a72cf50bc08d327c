// What a result is shown as, and how the page follows its host.

const root = document.getElementById("view");
let last = null;

const bridge = new Bridge({
  "ui/notifications/tool-input": ({ arguments: given }) => {
    bridge.given = given && typeof given === "object" ? given : {};
    if (last) show(last);
  },
  "ui/notifications/tool-result": (result) => {
    last = result;
    show(result);
  },
  "ui/notifications/tool-cancelled": () => place(h("p", { class: "empty" }, say("cancelled"))),
  "ui/notifications/host-context-changed": (changes) => {
    const before = bridge.context;
    bridge.context = { ...before, ...changes };
    follow(bridge.context);
    const told = ["locale", "timeZone", "displayMode"].some((key) => before[key] !== bridge.context[key]);
    if (told && last) show(last);
  },
});
bridge.renewed = (result) => {
  last = result;
};

function place(...nodes) {
  root.replaceChildren(...nodes);
}

function show(result) {
  try {
    place(viewOf(result).element);
  } catch {
    place(plainView(result));
  }
}

function viewOf(result) {
  if (result.isError) {
    const problem = problemOf(result);
    return { element: problemBox(problem.message, problem.hint) };
  }
  const data = result.structuredContent || {};
  if (Array.isArray(data.columns) && Array.isArray(data.rows)) return new TableView(bridge, result);
  const aboutPages = ["pages", "matches", "outline", "tables"].some((key) => Array.isArray(data[key]));
  if (data.document && (aboutPages || (data.page && imageOf(result)))) return new DocumentView(bridge, result);
  return { element: plainView(result) };
}

// Whatever another tool answers: its text and its pictures.
function plainView(result) {
  const text = textOf(result);
  const image = imageOf(result);
  return h(
    "div",
    { class: "plain" },
    image ? h("img", { src: image, alt: "" }) : null,
    text ? h("pre", null, text) : null,
    text || image ? null : h("p", { class: "empty" }, say("empty")),
  );
}

function follow(context) {
  const page = document.documentElement;
  if (context.theme === "light" || context.theme === "dark") page.dataset.theme = context.theme;
  for (const [name, value] of Object.entries(context.styles?.variables || {})) {
    // A host's colours and fonts are welcome, addresses to load are not.
    if (/^--(color|font|border|shadow)-[\w-]+$/.test(name) && !/url\(|image-set/i.test(String(value))) {
      page.style.setProperty(name, String(value ?? ""));
    }
  }
  const { height, maxHeight } = context.containerDimensions || {};
  page.classList.toggle("fill", Boolean(height) || context.displayMode === "fullscreen");
  const room = Math.min(Math.max((maxHeight || 620) - 200, 200), 420);
  page.style.setProperty("--room", `${room}px`);
  const insets = context.safeAreaInsets || {};
  for (const side of ["top", "right", "bottom", "left"]) {
    document.body.style.setProperty(`--inset-${side}`, `${Number(insets[side]) || 0}px`);
  }
  speak(context.locale || navigator.language, context.timeZone);
}

function tellSize() {
  let told = 0;
  const tell = () => {
    const height = Math.ceil(document.documentElement.getBoundingClientRect().height);
    if (height === told) return;
    told = height;
    bridge.notify("ui/notifications/size-changed", { height });
  };
  new ResizeObserver(tell).observe(document.body);
  tell();
}

async function begin() {
  document.body.append(announcer, notice);
  follow({});
  if (window.parent === window) {
    place(h("p", { class: "empty" }, say("noHost")));
    return;
  }
  place(h("p", { class: "empty" }, say("waiting")));
  try {
    await bridge.connect();
  } catch (problem) {
    place(problemBox(problem.message));
    return;
  }
  follow(bridge.context);
  place(h("p", { class: "empty" }, say("waiting")));
  bridge.notify("ui/notifications/initialized");
  tellSize();
}

begin();

// The text of a page, with a passage marked in it.

class PageText {
  #start = 0;

  constructor() {
    this.title = h("h3");
    this.body = h("div", { class: "body", tabindex: 0 });
    this.extras = h("div", { class: "extras" });
    this.rest = h("div");
    this.element = h("section", { class: "page-text" }, this.title, this.body, this.rest, this.extras);
  }

  // `page` is one of read_document's pages; `span` is {start, end} in characters of the whole page's text, or null.
  show(page, title, span) {
    this.title.textContent = title;
    this.#start = page.start || 0;
    const text = String(page.text ?? "");
    if (!text) {
      this.body.replaceChildren(h("p", { class: "empty" }, say("emptyPage")));
    } else if (span) {
      this.#mark(text, Math.max(span.start - this.#start, 0), Math.max((span.end ?? Infinity) - this.#start, 0));
    } else {
      this.body.replaceChildren(text);
      this.body.scrollTop = 0;
    }
    this.#extras(page);
  }

  // A passage whose page has not been read: the passage and what stands around it.
  quote(place, title) {
    this.title.textContent = title;
    this.#start = Math.max(place.start - charactersIn(place.before || ""), 0);
    this.body.replaceChildren(String(place.before || ""), h("mark", null, String(place.text)), String(place.after || ""));
    this.extras.replaceChildren();
    this.rest.replaceChildren();
  }

  // What is selected in the text, in characters of the page.
  get selected() {
    const selection = window.getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return null;
    const range = selection.getRangeAt(0);
    if (!this.body.contains(range.commonAncestorContainer)) return null;
    const before = document.createRange();
    before.selectNodeContents(this.body);
    before.setEnd(range.startContainer, range.startOffset);
    const start = this.#start + charactersIn(before.toString());
    return { start, end: start + charactersIn(range.toString()) };
  }

  #mark(text, start, end) {
    const [from, to] = [unitAt(text, start), end === Infinity ? text.length : unitAt(text, end)];
    const mark = h("mark", null, text.slice(from, to));
    this.body.replaceChildren(text.slice(0, from), mark, text.slice(to));
    this.body.scrollTop = mark.offsetTop - this.body.clientHeight / 3;
  }

  #extras(page) {
    const extras = [];
    if (page.ocr_confidence) {
      extras.push(h("p", null, say("recognised", { share: `${Math.round(page.ocr_confidence * 100)}%` })));
    }
    for (const [key, text] of [["head", page.header], ["foot", page.footer]]) {
      if (text) extras.push(h("p", null, `${say(key)}: ${text}`));
    }
    for (const { why, text } of page.hidden || []) {
      const summary = h("summary", null, `${say("hidden")} (${why})`);
      extras.push(h("details", { class: "hidden-text" }, summary, h("pre", null, String(text))));
    }
    this.extras.replaceChildren(...extras);
  }
}

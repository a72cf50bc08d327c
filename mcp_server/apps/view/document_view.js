// A document page by page: how it looks, what it says, and the place that was cited.

const KEPT_PICTURES = 6;
const LEAD_WIDTH = 16;

class DocumentView {
  #pages = new Map();
  #pictures = new Map();
  #number = 0;
  #place = null;
  #turn = 0;

  constructor(host, result) {
    this.host = host;
    const data = result.structuredContent;
    const [source] = data.sources || [];
    this.name = String(data.document);
    this.total = data.total_pages || 1;
    this.uri = source?.uri || `document://${encodeURI(this.name)}`;
    this.hasPages = /\.pdf$/i.test(source?.file || this.name);
    this.drawable = host.canCall && this.hasPages;
    this.markdown = host.given.view === "markdown";
    this.picture = new PagePicture(() => this.#sharpen());
    this.text = new PageText();
    this.message = h("div");
    this.places = h("div", { class: "list" });
    this.notes = h("div", { class: "notes" });
    this.source = h("div");
    this.spread = h("div", { class: "spread", hidden: true }, this.picture.element, this.text.element);
    this.element = h(
      "div",
      { class: "document-view", keydown: (event) => this.#pressed(event) },
      this.#title(data),
      this.#toolbar(),
      this.message,
      this.places,
      this.spread,
      this.notes,
      h("p", { class: "hint" }, say("note")),
      this.source,
    );
    this.#tell(data);
    this.#open(result);
  }

  #title(data) {
    const name = h("span", { class: "file" }, this.name);
    return h("h2", null, data.title || this.name, data.title && data.title !== this.name ? name : null);
  }

  #toolbar() {
    const { canCall } = this.host;
    this.againButton = canCall ? button(say("again"), () => this.#again(), { title: say("againHint") }) : null;
    this.previous = iconButton("‹", say("previous"), () => this.#step(-1));
    this.next = iconButton("›", say("next"), () => this.#step(1));
    this.numberBox = h("input", {
      type: "number",
      min: 1,
      max: this.total,
      "aria-label": say(this.hasPages ? "page" : "section"),
      change: () => this.#go(Number(this.numberBox.value)),
    });
    this.turning = h(
      "div",
      { class: "group" },
      this.previous,
      h("span", { class: "label" }, say(this.hasPages ? "page" : "section")),
      this.numberBox,
      h("span", { class: "label" }, say("of", { count: sayNumber(this.total) })),
      this.next,
    );
    return h(
      "div",
      { class: "toolbar" },
      this.turning,
      this.picture.tools,
      h(
        "div",
        { class: "actions" },
        this.againButton,
        button(say("cite"), () => copy(this.#citation())),
        growButton(this.host),
      ),
    );
  }

  #tell(data) {
    const notes = (data.notes || []).map((note) => h("p", null, String(note)));
    this.notes.replaceChildren(...notes);
    this.source.replaceChildren(provenance(data.sources));
  }

  // Begin where the answer is.
  #open(result) {
    const data = result.structuredContent;
    if (Array.isArray(data.pages)) {
      this.#keep(data);
      this.#go(data.pages[0]?.number || 1);
    } else if (Array.isArray(data.matches)) {
      this.#list(say("places"), data.matches, say("noPlaces"), (place) => this.#passage(place));
      if (data.matches.length) this.#go(data.matches[0].page, data.matches[0]);
    } else if (Array.isArray(data.outline)) {
      const entries = data.outline.filter((entry) => entry && entry.title);
      this.#list(say("contents"), entries, say("empty"), (entry) => this.#heading(entry));
      this.#go(1);
    } else if (Array.isArray(data.tables)) {
      this.#tables(data.tables);
    } else {
      const place = placeOf(String(this.host.given.document || ""));
      // A region that was asked for stays what it is; a whole page may be drawn with more dots.
      const asked = this.host.given.region ? Infinity : data.dpi || 0;
      this.#pictures.set(this.#key(data.page, place), { result, asked });
      this.#go(data.page, place);
    }
  }

  #list(title, entries, nothing, show) {
    if (!entries.length) {
      this.places.replaceChildren(h("p", { class: "empty" }, nothing));
      return;
    }
    if (entries.length === 1 && entries[0].uri) return;
    const list = h("ol", { class: "places" });
    for (const entry of entries) {
      const go = () => {
        list.querySelector("[aria-current]")?.removeAttribute("aria-current");
        item.setAttribute("aria-current", "true");
        this.#go(entry.page, entry.uri ? entry : null);
      };
      const item = h("button", { type: "button", click: go, disabled: !entry.page }, ...show(entry));
      list.append(h("li", null, item));
    }
    if (entries[0].uri) list.querySelector("button").setAttribute("aria-current", "true");
    const summary = h("summary", null, `${title} (${sayNumber(entries.length)})`);
    this.places.replaceChildren(h("details", { open: true }, summary, list));
  }

  #passage(place) {
    const where = h("span", { class: "where" }, this.#numbered(place));
    const before = String(place.before || "");
    // The words found are seen first, whatever room there is.
    const lead = [...before].reverse().join("");
    const shown = [...shortened(lead, LEAD_WIDTH)].reverse().join("");
    const mark = h("mark", null, String(place.text));
    return [where, h("span", null, shown, mark, String(place.after || ""))];
  }

  #heading(entry) {
    const title = h("span", null, String(entry.title));
    title.style.paddingInlineStart = `${Math.min((entry.level || 1) - 1, 8) * 1.2}em`;
    return [h("span", { class: "where" }, entry.page ? String(entry.page) : ""), title];
  }

  #numbered({ page, label }) {
    return label && label !== String(page) ? `${page} (${label})` : String(page);
  }

  #tables(tables) {
    if (!tables.length) {
      this.places.replaceChildren(h("p", { class: "empty" }, say("noRows")));
      this.#go(1);
      return;
    }
    const grid = new Grid(say("tables"));
    const caption = h("p", { class: "hint" });
    const show = (place) => {
      const table = tables[Number(place)];
      const number = (column) => table.rows.every((row) => !row[column] || /^[-+]?[\d.,]+\s?%?$/.test(row[column]));
      const columns = table.columns.map((name, at) => ({ name: String(name), kind: number(at) ? "number" : "text" }));
      grid.show(columns, table.rows);
      caption.textContent = table.caption || "";
      this.#go(table.pages[0], table.box ? { page: table.pages[0], boxes: [table.box] } : null);
    };
    const names = tables.map(({ name, pages }, at) => [at, `${name} · ${say("onPage", { number: pages[0] })}`]);
    this.places.replaceChildren(labelled(say("tables"), select(say("tables"), names, 0, show)), caption, grid.element);
    show(0);
  }

  #step(by) {
    const known = [...this.#pages.keys()].sort((a, b) => a - b);
    const near = known.filter((number) => (by > 0 ? number > this.#number : number < this.#number));
    const target = this.host.canCall ? this.#number + by : by > 0 ? near[0] : near.at(-1);
    if (target) this.#go(target);
  }

  async #go(number, place = null) {
    const wanted = Math.min(Math.max(Math.round(number) || 1, 1), this.total);
    this.#number = wanted;
    this.#place = place;
    this.#turn += 1;
    const turn = this.#turn;
    this.message.replaceChildren();
    this.spread.hidden = false;
    this.numberBox.value = wanted;
    this.previous.disabled = wanted <= 1;
    this.next.disabled = wanted >= this.total;
    this.element.setAttribute("aria-busy", "true");
    await Promise.all([this.#showText(turn), this.#showPicture(turn)]);
    if (turn === this.#turn) this.element.removeAttribute("aria-busy");
  }

  async #showText(turn) {
    const place = this.#place;
    const title = say("pageText", { number: this.#number });
    if (place?.text) this.text.quote(place, title);
    else if (!this.#pages.has(this.#number)) this.text.show({ text: say("loading") }, title, null);
    if (!this.#pages.has(this.#number) && this.host.canCall) {
      const data = await this.#read({ pages: String(this.#number), view: this.markdown ? "markdown" : "text" }, turn);
      if (!data) return;
      this.#keep(data);
      this.#tell(data);
    }
    const page = this.#pages.get(this.#number);
    if (turn !== this.#turn || !page) return;
    this.text.show(page, title, place?.start === undefined || this.markdown ? null : place);
    const rest = this.host.canCall && page.total_chars > page.end;
    this.text.rest.replaceChildren(...(rest ? [button(say("rest"), () => this.#readRest(page))] : []));
  }

  async #readRest(page) {
    const turn = this.#turn;
    const view = this.markdown ? "markdown" : "text";
    const data = await this.#read({ pages: String(page.number), view, offset: page.end, version: page.version }, turn);
    const [more] = data?.pages || [];
    if (!more) return;
    const whole = { ...page, text: page.text + more.text, end: more.end ?? page.total_chars };
    this.#pages.set(page.number, whole);
    await this.#showText(turn);
  }

  async #read(change, turn) {
    try {
      const result = await this.host.call("read_document", { document: this.name, ...change });
      if (!Array.isArray(result.structuredContent?.pages)) throw problemOf(result);
      return result.structuredContent;
    } catch (problem) {
      if (turn === this.#turn) this.message.replaceChildren(problemBox(problem.message, problem.hint));
      return null;
    }
  }

  async #showPicture(turn) {
    const key = this.#key(this.#number, this.#place);
    const known = this.#pictures.get(key);
    this.#room(this.drawable || known);
    if (!this.drawable && !known) return;
    if (!known) this.picture.clear();
    const asked = this.picture.dpi;
    if (!known || (this.drawable && known.asked < asked)) {
      const { uri } = this.#place || {};
      const where = uri ? { document: uri } : { document: this.name, pages: String(this.#number) };
      try {
        const result = await this.host.call("read_document", { ...where, view: "image", dpi: asked });
        if (!imageOf(result)) throw problemOf(result);
        this.#pictures.delete(key);
        this.#pictures.set(key, { result, asked });
        if (this.#pictures.size > KEPT_PICTURES) this.#pictures.delete(this.#pictures.keys().next().value);
      } catch (problem) {
        if (turn === this.#turn && !known) this.#noPicture(problem);
        return;
      }
    }
    if (turn !== this.#turn) return;
    const { result, asked: had } = this.#pictures.get(key);
    const label = say("picture", { number: this.#number, name: this.name });
    this.picture.show(result, label, this.#place?.uri ? [] : this.#place?.boxes || [], had);
  }

  // Where pictures are refused the text stands alone, and the next page asks again only when told to.
  #noPicture(problem) {
    this.drawable = false;
    this.#room(false);
    this.notes.append(h("p", null, say("pictureFailed", { why: problem.message })));
  }

  #room(drawn) {
    this.picture.element.hidden = !drawn;
    this.picture.tools.hidden = !drawn;
  }

  #sharpen() {
    this.#showPicture(this.#turn);
  }

  // Places move when a file changes, so the whole call is made again; who had turned to another page stays there.
  async #again() {
    this.element.setAttribute("aria-busy", "true");
    try {
      const { version: _, ...given } = this.host.given;
      const result = await this.host.call("read_document", { document: this.name, ...given });
      if (!result.structuredContent?.document) throw problemOf(result);
      const view = new DocumentView(this.host, result);
      if (!this.#place && view.#number !== this.#number) view.#go(this.#number);
      this.element.replaceWith(view.element);
      view.againButton.focus();
      this.host.renewed(result);
    } catch (problem) {
      this.message.replaceChildren(problemBox(problem.message, problem.hint));
      this.element.removeAttribute("aria-busy");
    }
  }

  #keep(data) {
    const version = data.sources?.[0]?.fingerprint;
    for (const page of data.pages) this.#pages.set(page.number, { ...page, version });
  }

  #citation() {
    const page = `${this.uri}/page/${this.#number}`;
    const span = (this.markdown ? null : this.text.selected) || this.#place;
    return span?.start === undefined ? page : `${page}#chars=${span.start}-${span.end ?? ""}`;
  }

  #pressed(event) {
    if (event.target.matches("input, select, .body, table") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "PageDown" || event.key === "n") this.#step(1);
    else if (event.key === "PageUp" || event.key === "p") this.#step(-1);
    else return;
    event.preventDefault();
  }

  #key(number, place) {
    return place?.uri || String(number);
  }
}

// The characters that a cited place names, or null.
function placeOf(uri) {
  const found = /#chars?=(\d+)(?:[-,](\d*))?$/.exec(uri);
  if (!found) return null;
  return { uri, start: Number(found[1]), end: found[2] ? Number(found[2]) : undefined };
}

// A table of any length: only the rows in sight are in the document.

const ROW_HEIGHT = 30;
const ROWS_AHEAD = 12;
const CHARACTER_WIDTH = 7.6;
const MEASURED_ROWS = 200;

class Grid {
  #active = -1;
  #drawn = "";
  #asked = false;

  // `columns` are {name, kind}; `changed` is told when the order or the choice of rows is another.
  constructor(label, changed = () => {}) {
    this.changed = changed;
    this.columns = [];
    this.rows = [];
    this.order = [];
    this.sorting = null;
    this.filter = { text: "", column: -1 };
    this.widths = h("colgroup");
    this.head = h("tr", { "aria-rowindex": 1 });
    this.body = h("tbody");
    this.table = h(
      "table",
      { role: "grid", tabindex: 0, "aria-label": label, keydown: (event) => this.#key(event) },
      this.widths,
      h("thead", null, this.head),
      this.body,
    );
    this.scroller = h("div", { class: "scroller", scroll: () => this.#soon() }, this.table);
    this.detail = h("section", { class: "detail", hidden: true });
    this.element = h("div", { class: "grid" }, this.scroller, this.detail);
    new ResizeObserver(() => this.#soon()).observe(this.scroller);
  }

  show(columns, rows) {
    this.columns = columns;
    this.rows = rows;
    this.sorting = null;
    this.#measure();
    this.#heads();
    this.update();
  }

  add(rows) {
    this.rows.push(...rows);
    this.update();
  }

  setFilter(text, column) {
    this.filter = { text, column };
    this.scroller.scrollTop = 0;
    this.update();
  }

  get chosenRows() {
    return this.order.map((place) => this.rows[place]);
  }

  update() {
    const fits = rowTest(this.filter.text, this.filter.column, this.columns);
    const order = [];
    this.rows.forEach((row, place) => {
      if (fits(row)) order.push(place);
    });
    if (this.sorting) {
      const { column, down } = this.sorting;
      const compare = comparer(this.columns[column].kind);
      order.sort((a, b) => {
        const [one, other] = [this.rows[a][column], this.rows[b][column]];
        if (isNull(one) || isNull(other)) return Number(isNull(one)) - Number(isNull(other)) || a - b;
        return (down ? -1 : 1) * compare(one, other) || a - b;
      });
    }
    this.order = order;
    this.#active = -1;
    this.detail.hidden = true;
    this.table.setAttribute("aria-rowcount", String(order.length + 1));
    this.table.removeAttribute("aria-activedescendant");
    this.#draw(true);
    this.changed();
  }

  #measure() {
    const sample = this.rows.slice(0, MEASURED_ROWS);
    const number = Math.max(String(this.rows.length).length, 3) * CHARACTER_WIDTH + 18;
    let total = number;
    const columns = this.columns.map((column, place) => {
      const longest = Math.max(...sample.map((row) => widthOf(plain(row[place]).slice(0, 60))), 4);
      const wanted = Math.max(Math.min(longest, 36), Math.min(widthOf(column.name) + 2, 24));
      const width = wanted * CHARACTER_WIDTH + 22;
      total += width;
      return h("col", { width: Math.round(width) });
    });
    this.widths.replaceChildren(h("col", { width: Math.round(number) }), ...columns);
    this.table.style.width = `max(100%, ${Math.round(total)}px)`;
  }

  #heads() {
    const heads = this.columns.map((column, place) => {
      const mark = h("span", { class: "mark", "aria-hidden": "true" });
      const label = h("span", { class: "name" }, column.name);
      const title = `${column.name}${column.type ? ` · ${column.type}` : ""}`;
      const sorts = h(
        "button",
        { type: "button", title, "aria-label": say("sortBy", { name: column.name }), click: () => this.#sort(place) },
        label,
        mark,
      );
      return h("th", { class: column.kind, scope: "col", "aria-sort": "none" }, sorts);
    });
    this.head.replaceChildren(h("th", { class: "place", "aria-label": "#" }), ...heads);
  }

  #sort(column) {
    const now = this.sorting?.column === column ? this.sorting : null;
    this.sorting = now ? (now.down ? null : { column, down: true }) : { column, down: false };
    [...this.head.children].slice(1).forEach((head, place) => {
      const sorted = this.sorting?.column === place ? (this.sorting.down ? "descending" : "ascending") : "none";
      head.setAttribute("aria-sort", sorted);
      head.querySelector(".mark").textContent = { none: "", ascending: "▲", descending: "▼" }[sorted];
    });
    this.scroller.scrollTop = 0;
    this.update();
  }

  #soon() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#draw();
    });
  }

  #draw(anew = false) {
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - ROWS_AHEAD);
    const seen = Math.ceil((clientHeight || 600) / ROW_HEIGHT) + 2 * ROWS_AHEAD;
    const last = Math.min(this.order.length, first + seen);
    const drawn = `${first} ${last}`;
    if (!anew && drawn === this.#drawn) return;
    this.#drawn = drawn;
    const lines = [];
    for (let place = first; place < last; place += 1) lines.push(this.#line(place));
    this.body.replaceChildren(this.#gap(first), ...lines, this.#gap(this.order.length - last));
  }

  #gap(rows) {
    const cell = h("td", { colspan: this.columns.length + 1 });
    const line = h("tr", { class: "gap", "aria-hidden": "true", hidden: rows === 0 }, cell);
    line.style.height = `${rows * ROW_HEIGHT}px`;
    return line;
  }

  #line(place) {
    const number = this.order[place];
    const cells = this.columns.map((column, at) => cellOf(this.rows[number][at], column.kind));
    return h(
      "tr",
      {
        id: `row-${number}`,
        "aria-rowindex": place + 2,
        "aria-selected": place === this.#active ? "true" : null,
        click: () => {
          // Who selects text in a row wants the text.
          if (window.getSelection().isCollapsed) this.#activate(place, true);
        },
      },
      h("td", { class: "place" }, String(number + 1)),
      ...cells,
    );
  }

  #key(event) {
    if (event.target !== this.table) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW_HEIGHT) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps && this.order.length) {
      event.preventDefault();
      const to = Math.min(Math.max(this.#active + steps[event.key], 0), this.order.length - 1);
      this.#activate(to, !this.detail.hidden);
    } else if ((event.key === "Enter" || event.key === " ") && this.#active >= 0) {
      event.preventDefault();
      this.#activate(this.#active, true);
    } else if (event.key === "Escape") {
      this.detail.hidden = true;
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      this.scroller.scrollLeft += event.key === "ArrowRight" ? 80 : -80;
    }
  }

  #activate(place, open) {
    this.#active = place;
    const top = place * ROW_HEIGHT;
    const head = this.head.offsetHeight;
    const room = this.scroller.clientHeight - head;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + ROW_HEIGHT > this.scroller.scrollTop + room) this.scroller.scrollTop = top + ROW_HEIGHT - room;
    this.#draw(true);
    this.table.setAttribute("aria-activedescendant", `row-${this.order[place]}`);
    if (open) this.#open(this.order[place]);
  }

  // The whole of a row, whatever its columns are cut to.
  #open(number) {
    const close = iconButton("×", say("close"), () => {
      this.detail.hidden = true;
      this.table.focus({ preventScroll: true });
    });
    const list = h("dl");
    this.columns.forEach((column, place) => {
      const value = this.rows[number][place];
      list.append(h("dt", { title: column.type }, column.name), h("dd", null, valueOf(value)));
    });
    const title = h("h3", null, say("rowNumber", { number: sayNumber(number + 1) }));
    this.detail.replaceChildren(h("header", null, title, close), list);
    this.detail.hidden = false;
  }
}

function valueOf(value) {
  return isNull(value) ? h("span", { class: "null" }, say("null")) : plain(value);
}

function cellOf(value, kind) {
  const text = plain(value);
  const title = text.length > 20 ? text.slice(0, 1000) : null;
  return h("td", { class: kind, title }, isNull(value) ? valueOf(value) : text.slice(0, 300));
}

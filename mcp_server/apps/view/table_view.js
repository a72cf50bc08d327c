// The rows of a query: as a table or as a chart, with what they came from.

const CHART_HEIGHT = 300;
const FILTER_WAIT = 120;
// A model may have asked for a handful; who asks for more wants as many as an answer holds.
const FEW_ROWS = 100;

class TableView {
  #shown = "table";
  #spec = null;
  #cursor = null;
  #busy = false;
  #drawnWidth = 0;

  constructor(host, result) {
    this.host = host;
    this.grid = new Grid(say("table"), () => this.#changed());
    this.status = h("p", { class: "status" });
    this.note = h("div", { class: "notes" });
    this.message = h("div");
    this.source = h("div");
    this.plot = h("div", { class: "plots", tabindex: 0 });
    this.legend = h("ul", { class: "legend" });
    this.chartNotes = h("p", { class: "hint" });
    this.controls = h("div", { class: "controls" });
    this.chart = h("div", { class: "chart", hidden: true }, this.controls, this.legend, this.plot, this.chartNotes);
    this.moreButton = button(say("more"), () => this.#more(), { class: "more" });
    this.filters = this.#filters();
    this.element = h(
      "div",
      { class: "table-view" },
      this.#toolbar(),
      this.#statement(),
      this.message,
      this.grid.element,
      this.chart,
      h("div", { class: "footline" }, this.status, this.moreButton),
      this.note,
      this.source,
    );
    new ResizeObserver(() => {
      if (this.plot.clientWidth !== this.#drawnWidth) this.#draw();
    }).observe(this.plot);
    this.#replace(result);
  }

  #toolbar() {
    const ways = [
      ["table", say("table")],
      ["chart", say("chart")],
    ];
    const { sql, cursor } = this.host.given;
    const again = this.host.canCall && sql && !cursor;
    return h(
      "div",
      { class: "toolbar" },
      switcher(say("show"), ways, "table", (way) => this.#switch(way)),
      this.filters,
      h(
        "div",
        { class: "actions" },
        again ? button(say("again"), () => this.#readAgain(), { title: say("againHint") }) : null,
        button(say("copyCsv"), () => copy(this.#csv())),
        this.host.canSave ? button(say("saveCsv"), () => this.#save()) : null,
        growButton(this.host),
      ),
    );
  }

  #filters() {
    let waiting;
    const apply = () => this.grid.setFilter(this.words.value, Number(this.column.value));
    this.words = h("input", {
      type: "search",
      placeholder: say("filter"),
      "aria-label": say("filter"),
      title: say("filterHint"),
      input: () => {
        clearTimeout(waiting);
        waiting = setTimeout(apply, FILTER_WAIT);
      },
    });
    this.column = select(say("inColumn"), [[-1, say("anyColumn")]], -1, apply);
    return h("div", { class: "filters" }, this.words, this.column);
  }

  #statement() {
    const { sql } = this.host.given;
    if (!sql) return null;
    return h("details", { class: "statement" }, h("summary", null, say("statement")), h("pre", null, String(sql)));
  }

  #replace(result) {
    const data = result.structuredContent;
    const columns = data.columns.map(({ name, type }) => ({ name: String(name), type, kind: kindOf(type) }));
    const chosen = this.column.value;
    this.column.replaceChildren(h("option", { value: -1 }, say("anyColumn")));
    columns.forEach(({ name }, place) => this.column.append(h("option", { value: place }, shortened(name, 30))));
    this.column.value = Number(chosen) < columns.length ? chosen : "-1";
    this.grid.filter = { text: this.words.value, column: Number(this.column.value) };
    this.#spec = suggestedChart(columns, data.rows);
    this.grid.show(columns, data.rows.slice());
    this.#controls();
    this.#tell(data);
  }

  // What goes with the rows read last: where they came from, and how they go on.
  #tell(data) {
    this.#cursor = data.next_cursor || null;
    const notes = (data.notes || []).map((note) => h("p", null, String(note)));
    if (data.cells_cut) notes.push(h("p", null, say("cut", { count: sayNumber(data.cells_cut) })));
    this.note.replaceChildren(...notes);
    this.source.replaceChildren(provenance(data.sources));
    this.message.replaceChildren();
    this.truncated = Boolean(data.truncated);
    this.#changed();
  }

  #changed() {
    const { rows, order } = this.grid;
    const all = order.length === rows.length;
    let text = rows.length ? sayRows(rows.length) : say("noRows");
    if (!all) text = say("matching", { count: sayNumber(order.length), all: sayNumber(rows.length) });
    const goesOn = this.host.canCall && this.host.given.sql && this.#cursor;
    if (this.truncated) text += ` · ${say(goesOn ? "moreExist" : "askMore")}`;
    this.status.textContent = text;
    this.moreButton.hidden = !goesOn;
    this.#draw();
  }

  async #ask(change) {
    if (this.#busy) return null;
    this.#busy = true;
    this.element.setAttribute("aria-busy", "true");
    try {
      const result = await this.host.call("query_tables", change);
      if (!Array.isArray(result.structuredContent?.rows)) throw problemOf(result);
      return result;
    } catch (problem) {
      this.message.replaceChildren(problemBox(problem.message, problem.hint));
      return null;
    } finally {
      this.#busy = false;
      this.element.removeAttribute("aria-busy");
    }
  }

  async #more() {
    const { save: _, max_rows: rowsAsked, ...given } = this.host.given;
    const change = rowsAsked > FEW_ROWS ? { max_rows: rowsAsked } : {};
    const result = await this.#ask({ ...given, ...change, cursor: this.#cursor });
    if (!result) return;
    const { rows } = result.structuredContent;
    this.grid.add(rows);
    this.#tell(result.structuredContent);
    announce(sayRows(this.grid.rows.length));
  }

  async #readAgain() {
    const { save: _, ...given } = this.host.given;
    const result = await this.#ask(given);
    if (!result) return;
    this.#replace(result);
    this.host.renewed(result);
    announce(this.status.textContent);
  }

  #csv() {
    const names = this.grid.columns.map(({ name }) => name);
    return csv(names, this.grid.chosenRows);
  }

  #save() {
    const resource = { uri: "file:///rows.csv", mimeType: "text/csv", text: this.#csv() };
    this.host.save(resource);
  }

  #switch(way) {
    this.#shown = way;
    this.grid.element.hidden = way !== "table";
    this.chart.hidden = way !== "chart";
    this.#draw();
  }

  #controls() {
    const { columns } = this.grid;
    if (!this.#spec) {
      this.controls.replaceChildren();
      return;
    }
    const places = columns.map(({ name }, place) => [place, shortened(name, 30)]);
    const numbers = places.filter(([place]) => columns[place].kind === "number");
    const set = (key, read) => (value) => {
      this.#spec[key] = read(value);
      this.#draw();
    };
    const kinds = ["bars", "line", "scatter"].map((kind) => [kind, say(kind)]);
    this.combine = labelled(
      say("combine"),
      select(
        say("combine"),
        Object.keys(COMBINATIONS).map((name) => [name, say(name)]),
        this.#spec.combine,
        set("combine", String),
      ),
    );
    this.controls.replaceChildren(
      switcher(say("kind"), kinds, this.#spec.kind, set("kind", String)),
      labelled(say("across"), select(say("across"), places, this.#spec.across, set("across", Number))),
      labelled(say("up"), select(say("up"), numbers, this.#spec.up, set("up", Number))),
      labelled(
        say("colour"),
        select(say("colour"), [[-1, say("none")], ...places], this.#spec.colour, set("colour", Number)),
      ),
      this.combine,
    );
  }

  #draw() {
    if (this.#shown !== "chart") return;
    if (!this.#spec) {
      this.plot.replaceChildren(h("p", { class: "empty" }, say("noNumbers")));
      return;
    }
    this.#drawnWidth = this.plot.clientWidth;
    const width = Math.max(this.#drawnWidth, 240);
    const rows = this.grid.chosenRows;
    const { element, legend, notes, repeats } = drawChart(this.#spec, this.grid.columns, rows, width, CHART_HEIGHT);
    this.combine.hidden = !repeats || this.#spec.kind === "scatter";
    this.plot.replaceChildren(element || h("p", { class: "empty" }, notes.shift()));
    this.legend.replaceChildren(
      ...legend.map((name, place) => h("li", null, h("i", { class: `s${place % SERIES_COLOURS}` }), name)),
    );
    if (this.truncated && element) notes.push(say("chartRows", { count: sayNumber(this.grid.rows.length) }));
    this.chartNotes.textContent = notes.join(" ");
  }
}

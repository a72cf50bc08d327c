// A page of a document as a picture, with the places that are marked on it.

const DPI_STEPS = [110, 160, 220, 300];
const POINTS_PER_INCH = 72;
const USUAL_PAGE_WIDTH = 595;
const ZOOMS = [1, 1.25, 1.5, 2, 2.5, 3, 4];

class PagePicture {
  #zoom = 1;
  #asked = 0;
  #pageWidth = USUAL_PAGE_WIDTH;

  // `sharper` is told when the picture has too few dots for how large it is shown.
  constructor(sharper) {
    this.sharper = sharper;
    this.image = h("img", { alt: "", draggable: "false" });
    this.marks = h("div", { class: "marks", "aria-hidden": "true" });
    this.sheet = h("div", { class: "sheet", hidden: true }, this.image, this.marks);
    this.pane = h("div", { class: "pane", tabindex: 0, role: "region", keydown: (event) => this.#key(event) }, this.sheet);
    this.share = button("100%", () => this.setZoom(1), { class: "share", title: say("zoomReset") });
    this.tools = h(
      "div",
      { class: "group" },
      iconButton("−", say("zoomOut"), () => this.step(-1)),
      this.share,
      iconButton("+", say("zoomIn"), () => this.step(1)),
    );
    this.element = h("section", { class: "picture" }, this.pane);
  }

  // Dots an inch that the page needs to look sharp here.
  get dpi() {
    const width = (this.pane.clientWidth || 500) * this.#zoom * Math.min(window.devicePixelRatio || 1, 2);
    const wanted = (width / this.#pageWidth) * POINTS_PER_INCH;
    return DPI_STEPS.find((step) => step >= wanted * 0.9) || DPI_STEPS.at(-1);
  }

  // Show what view image answered; `boxes` are more places to mark, in points.
  show(result, label, boxes, asked) {
    const { box = [0, 0, USUAL_PAGE_WIDTH, 842], marked = [] } = result.structuredContent || {};
    const [left, top, right, bottom] = box;
    const [width, height] = [right - left, bottom - top];
    this.#pageWidth = width;
    this.#asked = asked;
    this.image.src = imageOf(result) || "";
    this.image.alt = label;
    this.image.style.aspectRatio = `${width} / ${height}`;
    this.pane.setAttribute("aria-label", label);
    const places = [...marked, ...boxes].filter((place) => Array.isArray(place) && place.length === 4);
    this.marks.replaceChildren(
      ...places.map((place) => {
        const mark = h("i", { class: "mark-box" });
        mark.style.left = `${((place[0] - left) / width) * 100}%`;
        mark.style.top = `${((place[1] - top) / height) * 100}%`;
        mark.style.width = `${((place[2] - place[0]) / width) * 100}%`;
        mark.style.height = `${((place[3] - place[1]) / height) * 100}%`;
        return mark;
      }),
    );
    this.sheet.hidden = false;
    this.pane.scrollTop = 0;
    this.#showMark();
  }

  clear() {
    this.sheet.hidden = true;
    this.marks.replaceChildren();
  }

  step(by) {
    const at = ZOOMS.findIndex((zoom) => zoom >= this.#zoom);
    this.setZoom(ZOOMS[Math.min(Math.max(at + by, 0), ZOOMS.length - 1)]);
  }

  setZoom(zoom) {
    const { pane } = this;
    const middle = (pane.scrollTop + pane.clientHeight / 2) / (pane.scrollHeight || 1);
    const centre = (pane.scrollLeft + pane.clientWidth / 2) / (pane.scrollWidth || 1);
    this.#zoom = zoom;
    this.sheet.style.width = `${zoom * 100}%`;
    this.share.textContent = `${Math.round(zoom * 100)}%`;
    pane.scrollTop = middle * pane.scrollHeight - pane.clientHeight / 2;
    pane.scrollLeft = centre * pane.scrollWidth - pane.clientWidth / 2;
    if (this.dpi > this.#asked && !this.sheet.hidden) this.sharper();
  }

  // Scroll inside the pane only: the conversation around it stays where it is.
  #showMark() {
    const mark = this.marks.firstElementChild;
    if (!mark) return;
    const { pane } = this;
    const [at, frame] = [mark.getBoundingClientRect(), pane.getBoundingClientRect()];
    pane.scrollTop += at.top - frame.top - pane.clientHeight / 3;
    pane.scrollLeft += at.left - frame.left - pane.clientWidth / 4;
  }

  #key(event) {
    const zooms = { "+": 1, "=": 1, "-": -1 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in zooms) this.step(zooms[event.key]);
    else if (event.key === "0") this.setZoom(1);
  }
}

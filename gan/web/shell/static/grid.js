// A grid of any number of cells of which only those in view exist, as a listbox of ARIA.
//
// const grid = new Grid(box, { width: 150, height: 180, make, fill, moved });
// make() -> element of a cell, made once and used again; fill(element, position): show that position in it;
// moved(position): another cell is the current one. Keys: arrows, page up and down, home, end.

const AHEAD = 2; // rows beyond the view that exist

export class Grid {
  constructor(box, { width, height, make, fill, moved }) {
    Object.assign(this, { box, width, height, make, fill, moved, count: 0, current: -1, columns: 1, wide: width });
    this.shown = new Map(); // position -> cell
    this.spare = [];
    this.floor = document.createElement("div");
    this.floor.className = "floor";
    this.floor.setAttribute("role", "presentation");
    box.append(this.floor);
    box.setAttribute("role", "listbox");
    box.tabIndex = 0;
    let asked = 0;
    const later = () => { asked ||= requestAnimationFrame(() => { asked = 0; this.draw(); }); };
    box.addEventListener("scroll", later, { passive: true });
    new ResizeObserver(() => this.layout()).observe(box);
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("click", (event) => {
      const cell = event.target.closest("[role=option]");
      if (cell) this.go(Number(cell.dataset.position));
    });
  }

  // Another list: from the top, or with that position current.
  reset(count, position = 0) {
    this.count = count;
    for (const cell of this.shown.values()) this.rest(cell);
    this.shown.clear();
    this.current = -1;
    this.layout();
    if (count) this.go(Math.min(Math.max(position, 0), count - 1));
    else { this.box.removeAttribute("aria-activedescendant"); this.moved(-1); }
  }

  layout() {
    const columns = Math.max(1, Math.floor(this.box.clientWidth / this.width));
    const first = this.current >= 0 && columns !== this.columns ? this.current : -1;
    this.columns = columns;
    this.wide = this.box.clientWidth / columns; // read once: between changes of cells it would lay out the page for each
    this.floor.style.height = `${Math.ceil(this.count / columns) * this.height}px`;
    for (const [position, cell] of this.shown) this.place(cell, position);
    if (first >= 0) this.reveal(first);
    this.draw();
  }

  place(cell, position) {
    cell.style.width = `${this.wide}px`;
    cell.style.height = `${this.height}px`;
    const across = (position % this.columns) * this.wide, down = Math.floor(position / this.columns) * this.height;
    cell.style.transform = `translate(${across}px,${down}px)`;
  }

  // Positions from, to (exclusive) of the cells that exist.
  range() {
    const top = Math.floor(this.box.scrollTop / this.height) - AHEAD;
    const rows = Math.ceil(this.box.clientHeight / this.height) + 2 * AHEAD + 1;
    const from = Math.max(0, top) * this.columns;
    return [from, Math.min(this.count, Math.max(0, top + rows) * this.columns)];
  }

  draw() {
    const [from, to] = this.range();
    for (const [position, cell] of this.shown) {
      if (position < from || position >= to) {
        this.shown.delete(position);
        this.rest(cell);
      }
    }
    for (let position = from; position < to; position++) {
      if (this.shown.has(position)) continue;
      const cell = this.spare.pop() || this.floor.appendChild(this.make());
      cell.hidden = false;
      cell.id = `cell-${position}`;
      cell.dataset.position = position;
      cell.setAttribute("role", "option");
      cell.setAttribute("aria-posinset", position + 1);
      cell.setAttribute("aria-setsize", this.count);
      cell.setAttribute("aria-selected", String(position === this.current));
      this.place(cell, position);
      this.shown.set(position, cell);
      this.fill(cell, position);
    }
  }

  rest(cell) {
    cell.hidden = true;
    for (const name of ["id", "role", "aria-selected"]) cell.removeAttribute(name);
    this.spare.push(cell);
  }

  refill(position) {
    const cell = this.shown.get(position);
    if (cell) this.fill(cell, position);
  }

  reveal(position) {
    const top = Math.floor(position / this.columns) * this.height;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    const low = top + this.height - this.box.clientHeight;
    if (low > this.box.scrollTop) this.box.scrollTop = low;
  }

  go(position) {
    if (position < 0 || position >= this.count) return;
    this.shown.get(this.current)?.setAttribute("aria-selected", "false");
    this.current = position;
    this.reveal(position);
    this.draw();
    this.shown.get(position).setAttribute("aria-selected", "true");
    this.box.setAttribute("aria-activedescendant", `cell-${position}`);
    this.moved(position);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.height)) * this.columns;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns,
      PageUp: -page, PageDown: page, Home: -this.count, End: this.count };
    const step = steps[event.key];
    if (step === undefined || !this.count) return;
    event.preventDefault();
    const wanted = this.current + step;
    const far = Math.abs(step) > this.columns; // beyond the ends: to the end itself
    if (wanted >= 0 && wanted < this.count) this.go(wanted);
    else if (far || Math.abs(step) === 1) this.go(Math.min(Math.max(wanted, 0), this.count - 1));
  }
}

// The grid: choosing, sorting and pages where all rows are in the file (data-grid="file"), and the
// keyboard. On the live page the server chooses: the form is sent as soon as a choice changes.
"use strict";

(() => {
  const FIELDS = ["find", "repo", "difficulty", "length", "outcome", "sort", "of"];
  const PLAIN = { sort: "differ" };
  let place = null; // the instance and the column of the trial that the keyboard is at

  const money = (usd) => (usd === null ? "–" : `$${usd.toFixed(4)}`);
  const time = (s) => (s === null ? "–" : s < 600 ? `${Math.round(s)} s` : `${Math.round(s / 60)} min`);
  const number = (text) => (text === undefined || text === "" ? null : Number(text));

  function sumOf(cells) {
    const sums = { resolved: 0, wanted: 0, cost: 0, unsure: 0, seconds: 0, trials: 0 };
    for (const cell of cells) {
      sums.resolved += Number(cell.dataset.resolved);
      sums.wanted += Number(cell.dataset.wanted);
      sums.unsure += Number(cell.dataset.unsure);
      sums.seconds += Number(cell.dataset.seconds);
      sums.trials += Number(cell.dataset.trials);
      const cost = number(cell.dataset.cost);
      sums.cost = cost === null || sums.cost === null ? null : sums.cost + cost;
    }
    sums.mean = sums.trials ? sums.seconds / sums.trials : null;
    return sums;
  }

  class Grid {
    constructor(element) {
      this.element = element;
      this.form = element.querySelector("form");
      this.table = element.querySelector("table");
      this.rows = [...this.table.tBodies[0].rows];
      this.inFile = element.dataset.grid === "file";
      this.perPage = Number(element.dataset.perPage);
      this.page = 1;
      this.makeHeadings();
      if (this.inFile) this.beginFile();
      else this.beginLive();
      this.beginRoving();
    }

    field(name) {
      return this.form.elements.namedItem(name);
    }

    value(name) {
      const field = this.field(name);
      return field ? field.value : PLAIN[name] || "";
    }

    // A heading that can be sorted by is a button: first the small end, then the large one.
    makeHeadings() {
      for (const heading of this.table.tHead.querySelectorAll("th")) {
        const key = heading.dataset.sort;
        if (!key) continue;
        const button = delm.make("button", "", { type: "button", class: "sort" });
        button.append(...heading.childNodes);
        heading.append(button);
        button.addEventListener("click", () => {
          this.field("sort").value = this.value("sort") === key ? "differ" : key;
          this.changed();
        });
      }
      this.showOrder();
    }

    showOrder() {
      for (const heading of this.table.tHead.querySelectorAll("th[data-sort]")) {
        if (heading.dataset.sort === this.value("sort")) heading.setAttribute("aria-sort", "ascending");
        else heading.removeAttribute("aria-sort");
      }
    }

    changed() {
      if (this.inFile) {
        this.page = 1;
        this.show();
        this.writeAddress();
      } else {
        this.form.requestSubmit();
      }
    }

    // -- the live page: the server chooses --------------------------------------------------------

    beginLive() {
      let last = "";
      this.form.addEventListener("change", (event) => {
        last = event.target.name;
        this.changed();
      });
      this.form.addEventListener("submit", () => {
        sessionStorage.setItem("grid-field", last || document.activeElement.name || "");
        for (const name of FIELDS) {
          const field = this.field(name);
          if (field) field.disabled = field.value === (PLAIN[name] || "");
        }
      });
      window.addEventListener("pageshow", () => {
        for (const field of this.form.elements) field.disabled = false;
      });
      const name = sessionStorage.getItem("grid-field");
      sessionStorage.removeItem("grid-field");
      const trial = sessionStorage.getItem("grid-trial");
      sessionStorage.removeItem("grid-trial");
      const field = (name && this.field(name)) || (trial && document.getElementById(`open-${trial}`));
      if (!field) return;
      const focus = () => setTimeout(() => {
        field.focus({ preventScroll: true });
        field.scrollIntoView({ block: trial ? "center" : "nearest", behavior: "instant" });
      });
      if (document.readyState === "complete") focus();
      else window.addEventListener("load", focus); // after the heading that the address names
    }

    // -- the report: all rows are here ------------------------------------------------------------

    beginFile() {
      this.form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.changed();
      });
      this.form.addEventListener("input", () => this.changed());
      this.element.querySelector(".grid-reset").addEventListener("click", (event) => {
        event.preventDefault();
        for (const name of FIELDS) if (this.field(name)) this.field(name).value = PLAIN[name] || "";
        this.changed();
      });
      this.element.querySelectorAll("[data-turn]").forEach((button) => {
        button.addEventListener("click", () => {
          this.page += Number(button.dataset.turn);
          this.show();
          this.writeAddress();
          this.element.scrollIntoView();
        });
      });
      window.addEventListener("hashchange", () => this.readAddress());
      this.readAddress();
      this.show();
    }

    // The address of a choice: #grid/sort=-cost&repo=psf%2Frequests
    readAddress() {
      const [name, ...rest] = location.hash.slice(1).split("/");
      if (name !== "grid" || !rest.length) return;
      const given = new URLSearchParams(rest.join("/"));
      for (const key of FIELDS) {
        const field = this.field(key);
        if (!field) continue;
        field.value = given.get(key) || PLAIN[key] || "";
        if (field.tagName === "SELECT" && field.selectedIndex < 0) field.value = PLAIN[key] || "";
      }
      this.page = Number(given.get("page")) || 1;
      this.show();
    }

    writeAddress() {
      const told = new URLSearchParams();
      for (const name of FIELDS) {
        if (this.value(name) !== (PLAIN[name] || "")) told.set(name, this.value(name));
      }
      if (this.page > 1) told.set("page", this.page);
      history.replaceState(null, "", `#grid/${told}`);
    }

    isChosen(row) {
      const data = row.dataset;
      for (const name of ["repo", "difficulty", "length"]) {
        if (this.value(name) && this.value(name) !== data[name]) return false;
      }
      if (this.value("outcome") && !data.tags.split(" ").includes(this.value("outcome"))) return false;
      const words = this.value("find").toLowerCase().split(/\s+/);
      const text = `${data.instance} ${data.repo} ${data.difficulty}`.toLowerCase();
      return words.every((word) => text.includes(word));
    }

    systemAt(name) {
      const heads = [...this.table.tHead.rows[0].cells].slice(1);
      return heads.findIndex((heading) => heading.dataset.system === name);
    }

    orderKey() {
      const sort = this.value("sort");
      const name = sort.replace(/^-/, "");
      if (name === "differ") return (row) => -Number(row.dataset.spread);
      if (name === "position") return () => 0;
      if (name === "instance" || name === "repo") return (row) => row.dataset[name];
      if (name === "difficulty") return (row) => Number(row.dataset.rank);
      const at = this.value("of") ? this.systemAt(this.value("of")) : -1;
      const sign = sort.startsWith("-") ? -1 : 1;
      return (row) => {
        const cells = [...row.querySelectorAll("td.cell")];
        const mine = (at < 0 ? cells : [cells[at]]).filter((cell) => "wanted" in cell.dataset);
        const sums = sumOf(mine);
        let value = name === "seconds" ? sums.mean : sums[name];
        if (name === "resolved") value = sums.wanted ? sums.resolved / sums.wanted : null;
        return value === null || !mine.length ? Infinity : sign * value;
      };
    }

    show() {
      const key = this.orderKey();
      const chosen = this.rows.filter((row) => this.isChosen(row)).map((row) => [key(row), row]);
      chosen.sort(([a, one], [b, other]) => {
        if (a < b) return -1;
        if (a > b) return 1;
        return one.dataset.position - other.dataset.position;
      });
      const pages = Math.max(1, Math.ceil(chosen.length / this.perPage));
      this.page = Math.min(Math.max(1, this.page), pages);
      const first = (this.page - 1) * this.perPage;
      this.rows.forEach((row) => { row.hidden = true; });
      chosen.forEach(([, row], index) => {
        row.hidden = index < first || index >= first + this.perPage;
        this.table.tBodies[0].append(row);
      });
      this.showSums(chosen.map(([, row]) => row));
      const paged = pages > 1 ? `, page ${this.page} of ${pages}` : "";
      this.element.querySelector(".grid-count").textContent =
        `${chosen.length} of ${this.rows.length} instances${paged}`;
      this.element.querySelectorAll("[data-turn]").forEach((button) => {
        const page = this.page + Number(button.dataset.turn);
        button.disabled = page < 1 || page > pages;
      });
      this.showOrder();
      this.rove();
    }

    showSums(rows) {
      const feet = [...this.table.tFoot.rows[0].cells].slice(1);
      feet.forEach((foot, at) => {
        const all = at === feet.length - 1;
        const cells = rows.flatMap((row) => {
          const mine = [...row.querySelectorAll("td.cell")];
          return (all ? mine : [mine[at]]).filter((cell) => "wanted" in cell.dataset);
        });
        const sums = sumOf(cells);
        const share = sums.wanted ? ` ${((100 * sums.resolved) / sums.wanted).toFixed(1)} %` : "";
        foot.replaceChildren(
          delm.make("div", `${sums.resolved} of ${sums.wanted}${all ? "" : share}`),
          delm.make(
            "div",
            `${money(sums.cost)}${sums.unsure && sums.cost !== null ? "+" : ""} · ${time(sums.mean)}`,
            { class: "measures" },
          ),
        );
      });
    }

    // -- the keyboard: one link of the table is in the tab order, with the links of its cell --------

    links(row) {
      return [...row.querySelectorAll("a.trial-link")];
    }

    shownRows() {
      return [...this.table.tBodies[0].rows].filter((row) => !row.hidden && this.links(row).length);
    }

    current() {
      if (!place) return null;
      const row = this.shownRows().find((each) => each.dataset.instance === place.instance);
      return row ? this.links(row)[Math.min(place.at, this.links(row).length - 1)] : null;
    }

    beginRoving() {
      this.table.addEventListener("focusin", (event) => {
        const link = event.target.closest("a.trial-link");
        if (link) this.take(link);
      });
      this.rove();
    }

    take(link) {
      const row = link.closest("tr");
      place = { instance: row.dataset.instance, at: this.links(row).indexOf(link) };
      this.rove();
    }

    rove() {
      const rows = this.shownRows();
      const current = this.current() || (rows.length ? this.links(rows[0])[0] : null);
      const cell = current && current.closest("td");
      for (const row of rows) {
        row.classList.toggle("current", Boolean(place) && row === (current && current.closest("tr")));
        row.querySelectorAll("td a, th a").forEach((link) => {
          const inCell = cell && (cell.contains(link) || (place && link.matches("th a") && row.contains(cell)));
          link.tabIndex = link === current || (inCell && !link.matches(".trial-link")) ? 0 : -1;
        });
      }
    }

    // Moves by rows and links; false where there is no row.
    move(rowsDown, linksRight) {
      const rows = this.shownRows();
      if (!rows.length) return false;
      const current = this.current();
      let link = this.links(rows[0])[0];
      if (current) {
        const row = current.closest("tr");
        const next = rows[Math.min(Math.max(rows.indexOf(row) + rowsDown, 0), rows.length - 1)];
        const links = this.links(next);
        const at = Math.min(this.links(row).indexOf(current), links.length - 1) + linksRight;
        link = links[Math.min(Math.max(at, 0), links.length - 1)];
      }
      this.take(link);
      link.focus({ preventScroll: true });
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
      return true;
    }
  }

  let grid = null;
  const moves = { j: [1, 0], k: [-1, 0], l: [0, 1], h: [0, -1] };
  const shown = () => Boolean(grid) && grid.table.getClientRects().length > 0;

  // From a trial's page, "back to the run" leads to the place of that trial in the grid.
  delm.setUp(".trial-places", (element) => {
    const trial = /\/trials\/(\d+)/.exec(location.pathname);
    element.querySelector("[data-key=b]").addEventListener("click", () => {
      if (trial) sessionStorage.setItem("grid-trial", trial[1]);
    });
  });

  delm.setUp(".grid", (element) => {
    grid = new Grid(element);
    const texts = { j: "next instance", k: "previous instance", l: "next trial", h: "previous trial" };
    for (const [name, text] of Object.entries(texts)) {
      delm.key(name, text, () => shown() && grid.move(...moves[name]), shown);
    }
    const arrows = { ArrowDown: "j", ArrowUp: "k", ArrowRight: "l", ArrowLeft: "h" };
    for (const [name, same] of Object.entries(arrows)) {
      delm.key(name, "", (event) => Boolean(event.target.closest(".trial-link")) && grid.move(...moves[same]));
    }
    delm.key("Enter", "open the trial", () => false, shown);
    delm.key("/", "find an instance", () => {
      if (!shown()) return false;
      grid.field("find").focus();
      grid.field("find").select();
      return true;
    }, shown);
  });
})();

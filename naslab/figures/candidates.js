"use strict";
// A table of candidates that is sorted by its heads and filtered by words. Texts of users come as text.
// Data comes as columns; those that hold lists of numbers name phrases, which are written once.
(() => {
  const MOST_ROWS = 200;

  function make(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function rowsOf(found) {
    const text = (value) => Array.isArray(value) ? value.map((index) => found.phrases[index]).join("; ") : value;
    return found.values[0].map((_, row) => found.values.map((column) => text(column[row])));
  }

  window.naslabCandidates = (place, isLinked) => {
    let sortBy = 0;
    let upwards = true;
    let columns = [];
    let rows = [];
    const search = make("input", { type: "search", placeholder: "filter, as residual or diverged",
      "aria-label": "Filter the candidates" });
    const holder = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Candidates" });
    const count = make("p", { class: "note" });
    place.append(search, count, holder);
    search.oninput = () => draw();

    function draw() {
      const words = search.value.toLowerCase();
      const found = words
        ? rows.filter((row) => row.some((value) => String(value ?? "").toLowerCase().includes(words))) : [...rows];
      found.sort((one, two) => {
        const [a, b] = [one[sortBy], two[sortBy]];
        if (a === b) return 0;
        if (a === null) return 1;
        if (b === null) return -1;
        return (a < b ? -1 : 1) * (upwards ? 1 : -1);
      });
      const isNumber = (value) => typeof value === "number";
      const written = (value) => {
        if (Number.isInteger(value)) return value.toLocaleString("en");
        const size = Math.abs(value);
        if (size < 1e-5 || size >= 1e12) return value.toPrecision(5);
        return value.toLocaleString("en", { maximumSignificantDigits: 5 });
      };
      const cell = (value, index) => {
        if (index === 0) {
          const name = `trial ${value}`;
          return make("th", { scope: "row" },
            isLinked ? make("button", { type: "button", "data-trial": value }, name) : name);
        }
        return make("td", isNumber(value) ? { class: "number" } : {}, isNumber(value) ? written(value) : value ?? "-");
      };
      const head = (name, index) => {
        const button = make("button", { type: "button" }, name + (index === sortBy ? (upwards ? " ▲" : " ▼") : ""));
        button.onclick = () => {
          upwards = index === sortBy ? !upwards : true;
          sortBy = index;
          draw();
        };
        return make("th", { scope: "col",
          "aria-sort": index === sortBy ? (upwards ? "ascending" : "descending") : "none" }, button);
      };
      holder.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...columns.map(head))),
        make("tbody", {}, ...found.slice(0, MOST_ROWS).map((row) => make("tr", {}, ...row.map(cell))))));
      const more = found.length > MOST_ROWS ? `, the first ${MOST_ROWS} are listed` : "";
      count.textContent = `${found.length} of ${rows.length} candidates${more}`;
    }

    return (found) => {
      columns = found.columns;
      rows = rowsOf(found);
      draw();
      return rows;
    };
  };

  const own = document.querySelector("script[data-candidates]");
  if (own) window.naslabCandidates(document.getElementById(own.dataset.candidates), false)(JSON.parse(own.textContent));
})();

"use strict";
(() => {
  const NARROW = 560;
  // The buttons are listed, so that none of a later plotly.js can offer to send data elsewhere.
  const buttons = [["toImage", "zoom2d", "pan2d", "resetScale2d"]];
  const config = { responsive: true, displaylogo: false, showSendToCloud: false, modeBarButtons: buttons };

  function fitted(figure, width) {
    const layout = structuredClone(figure.layout);
    layout.autosize = true;
    if (width >= NARROW) return layout;
    layout.font = { size: 12 };
    layout.hoverlabel = { font: { size: 11 } };
    layout.margin = { l: 44, r: 8, t: 10, b: 44 };
    for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
      layout[name].title = { ...layout[name].title, font: { size: 12 }, standoff: 6 };
      layout[name].tickfont = { size: 11 };
      if (layout[name].type !== "category") layout[name].nticks = 6;
    }
    return layout;
  }

  function draw(script) {
    const place = document.getElementById(script.dataset.figure);
    const figure = JSON.parse(script.textContent);
    const narrow = place.clientWidth < NARROW;
    const shown = { ...config, displayModeBar: narrow ? false : "hover" };
    return Plotly.react(place, figure.data, fitted(figure, place.clientWidth), shown);
  }

  const drawAll = (part) => Promise.all([...part.querySelectorAll("script[data-figure]")].map(draw));
  window.naslabPage = { drawAll };

  if (document.querySelector("script[data-figure]")) drawAll(document)
    .then(() => { document.documentElement.dataset.drawn = "yes"; });

  async function copy(button) {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      const selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.copy");
    if (button) copy(button);
  });
})();

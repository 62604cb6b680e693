"use strict";
// Draws each chart once it can be seen, and shows in it the instants that are named beside it.
(function () {
  const config = { responsive: true, displaylogo: false, scrollZoom: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { filename: "papertape", scale: 2 } };

  function draw(chart) {
    if (chart.dataset.drawn) { return; }
    chart.dataset.drawn = "yes";
    const figure = JSON.parse(document.getElementById(chart.dataset.figure).textContent);
    Plotly.newPlot(chart, figure.data, figure.layout, config);
  }

  function drawOpen() {
    for (const chart of document.querySelectorAll(".chart[data-figure]")) {
      const folded = chart.closest("details:not([open])");
      if (!folded) { draw(chart); }
    }
  }

  document.addEventListener("toggle", drawOpen, true);
  document.addEventListener("click", function (event) {
    const button = event.target.closest("button.at");
    const chart = button && document.getElementById(button.dataset.chart);
    if (!chart || !chart.dataset.drawn) { return; }
    const at = Number(button.dataset.at), around = Number(button.dataset.around);
    Plotly.relayout(chart, { "xaxis.range": [at - around, at + around] });
    chart.scrollIntoView({ behavior: "smooth", block: "start" });
  });
  function openNamed() {
    const named = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (named && named.tagName === "DETAILS") { named.open = true; }
  }
  window.addEventListener("hashchange", openNamed);
  openNamed();
  drawOpen();
  document.body.dataset.drawn = "yes";
})();

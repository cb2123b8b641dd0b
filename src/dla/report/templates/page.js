// Colours are those of the text around a chart, so light, dark and print need no second drawing.
const quiet = { labelColor: "currentColor", titleColor: "currentColor", labelFont: "system-ui", titleFont: "system-ui" };
const config = {
  background: null,
  view: { stroke: null },
  axis: { ...quiet, domainColor: "currentColor", tickColor: "currentColor", gridColor: "currentColor", gridOpacity: 0.12,
          titleFontWeight: "normal", labelFlush: false, labelOverlap: "greedy", labelSeparation: 10, labelFontSize: 12, titleFontSize: 12 },
  padding: { left: 2, right: 16, top: 6, bottom: 6 },
  legend: { ...quiet, symbolOpacity: 1, columns: innerWidth < 500 ? 1 : 2, labelFontSize: 12, labelLimit: 220 },
};
const specs = JSON.parse(document.getElementById("charts").textContent);
window.drawn = Promise.all(specs.map((spec, number) =>
  vegaEmbed(`#chart-${number}`, spec, { config, renderer: "svg", actions: { export: true, source: false, compiled: false, editor: false } })))
  .then(() => document.querySelectorAll(".vega summary").forEach(summary => summary.setAttribute("aria-label", "Save this chart")));

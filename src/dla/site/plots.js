// DVC calls vegaEmbed once per file. Plots that differ in their data alone become one, and every run has its colour in the
// report (so does dla.site.drawn).
const { known, others } = COLOURS, embed = vegaEmbed, plots = new Map();

vegaEmbed = (place, spec) => {
  const same = plots.get(JSON.stringify({ ...spec, data: null }));
  if (!same) return plots.set(JSON.stringify({ ...spec, data: null }), { place, spec });
  same.spec.data.values.push(...spec.data.values);
  document.querySelector(place).remove();
};

function paint(node, scale) {
  if (!node || typeof node !== "object") return;
  if (node.color?.field === "run") node.color.scale = scale;
  for (const key in node) if (key !== "data") paint(node[key], scale);
}

function colour(runs) {
  let unknown = 0;
  return { domain: runs, range: runs.map(run => known[run] ?? others[unknown++ % others.length]) };
}

window.addEventListener("load", () => {
  window.drawn = Promise.all([...plots.values()].map(({ place, spec }) => {
    paint(spec, colour([...new Set((spec.data?.values ?? []).map(row => row.run).filter(Boolean))].sort()));
    return embed(place, spec);
  }));
});

// Draws the figures of the page, and gives them the colours of the reader's light or dark screen.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("figures").textContent);
  const screen_is_dark = window.matchMedia("(prefers-color-scheme: dark)");
  const on_paper = window.matchMedia("print");
  const light = Object.fromEntries(Object.entries(data.dark).map(([a, b]) => [b, a]));

  const exchange = (value, partners) => {
    if (typeof value === "string") return partners[value.toLowerCase()] ?? value;
    if (value !== null && typeof value === "object" && typeof value.value === "string") {
      return { ...value, value: partners[value.value.toLowerCase()] ?? value.value };
    }
    return value;
  };

  const recolour = (drawing) => {
    const partners = screen_is_dark.matches && !on_paper.matches ? data.dark : light;
    for (const model of drawing.all_models ?? drawing._all_models.values()) {
      const changed = {};
      for (const property of model) {
        if (!property.attr.endsWith("color")) continue;
        const before = property.get_value();
        const after = exchange(before, partners);
        if (JSON.stringify(after) !== JSON.stringify(before)) changed[property.attr] = after;
      }
      if (Object.keys(changed).length) model.setv(changed);
    }
  };

  const draw = async () => {
    const places = [{ docid: "page", roots: data.roots, root_ids: Object.keys(data.roots) }];
    await Bokeh.embed.embed_items({ page: data.document }, places);
    const drawing = Bokeh.documents[Bokeh.documents.length - 1];
    recolour(drawing);
    for (const media of [screen_is_dark, on_paper]) media.addEventListener("change", () => recolour(drawing));
    document.documentElement.dataset.drawn = "yes";
  };
  Bokeh.set_log_level("error");
  draw();
})();

// Looks at the page in the frame and writes what it finds as JSON into the element "found".
const THRESHOLD = 4.5; // The least contrast of text that the accessibility guidelines allow.

const short = element => element.tagName.toLowerCase() + " " + (element.textContent || "").trim().slice(0, 60);
const channels = colour => (colour.match(/[\d.]+/g) || []).map(Number);
const opaque = colour => { const c = channels(colour); return c.length === 3 || c[3] === 1; };
const luminance = colour => {
  const [r, g, b] = channels(colour).slice(0, 3).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
};

function ground(view, element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = view.getComputedStyle(at).backgroundColor;
    if (opaque(colour)) return colour;
  }
  return "rgb(255, 255, 255)";
}

const hasText = element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
const holds = (box, x, y) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;

// Texts of a chart: what is behind them is the last filled rectangle drawn before.
function palenessOf(view, svg) {
  const pale = [];
  let rectangles = [];
  for (const element of svg.querySelectorAll("rect, text")) {
    const style = view.getComputedStyle(element);
    const box = element.getBoundingClientRect();
    if (element.tagName === "rect") {
      if (style.fill !== "none" && style.fillOpacity === "1") rectangles.push([box, style.fill]);
      continue;
    }
    const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    const behind = rectangles.filter(([place]) => holds(place, x, y)).map(([, fill]) => fill).pop() || ground(view, svg);
    const ratio = contrast(style.fill, behind);
    if (ratio < THRESHOLD) pale.push(`${ratio.toFixed(2)} ${style.fill} on ${behind}: ${element.textContent}`);
  }
  return pale;
}

function chartOf(svg) {
  const whole = svg.getBoundingClientRect();
  const size = whole.width / svg.viewBox.baseVal.width;
  const marks = [...svg.querySelectorAll(".mark")].map(mark => mark.getBBox());
  const texts = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
  const outside = texts.filter(([, box]) => box.left < whole.left - 0.5 || box.right > whole.right + 0.5
    || box.top < whole.top - 0.5 || box.bottom > whole.bottom + 0.5);
  const overlapping = [];
  texts.forEach(([text, a], index) => texts.slice(index + 1).forEach(([other, b]) => {
    const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    // A text's box is higher than its letters: lines that follow closely share some of it.
    if (width > 1 * size && height > 4 * size) overlapping.push(`${text} / ${other}`);
  }));
  return {
    name: svg.getAttribute("aria-label").slice(0, 100),
    claimed: Number(svg.dataset.marks),
    drawn: marks.filter(box => box.width > 0 || box.height > 0).length,
    outside: outside.map(([text]) => text),
    overlapping,
  };
}

function probe() {
  const frame = document.querySelector("iframe");
  const [view, page] = [frame.contentWindow, frame.contentDocument];
  page.querySelectorAll("details").forEach(details => { details.open = true; });
  const all = [...page.querySelectorAll("body *")].filter(element => !element.closest("thead"));
  const html = all.filter(element => !element.closest("svg") && hasText(element));
  const width = view.innerWidth;
  const pale = html.map(element => [element, contrast(view.getComputedStyle(element).color, ground(view, element))])
    .filter(([, ratio]) => ratio < THRESHOLD).map(([element, ratio]) => `${ratio.toFixed(2)}: ${short(element)}`);
  const charts = [...page.querySelectorAll("svg")];
  return {
    width,
    scroll_width: page.documentElement.scrollWidth,
    dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    background: view.getComputedStyle(page.body).backgroundColor,
    resources: view.performance.getEntriesByType("resource").map(entry => entry.name),
    beyond: all.filter(element => !element.closest("svg") && element.getBoundingClientRect().right > width + 0.5).map(short),
    pale: [...new Set([...pale, ...charts.flatMap(svg => palenessOf(view, svg))])],
    charts: charts.map(chartOf),
  };
}

window.addEventListener("load", () => {
  let found;
  try { found = probe(); } catch (error) { found = { error: String(error) }; }
  document.getElementById("found").textContent = JSON.stringify(found);
});

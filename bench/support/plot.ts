/** A plot of a few lines over a logarithmic x axis, as SVG. */

/** One line: its name, its colour and its points. */
export interface Line {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** One chart; its y axis starts at 0. */
export interface Chart {
  readonly title: string;
  readonly unit: (value: number) => string;
  readonly lines: readonly Line[];
}

const WIDTH = 460;
const HEIGHT = 300;
const MARGIN = { left: 64, right: 24, top: 44, bottom: 44 };
const TICKS = 4;

/** The charts side by side in one SVG document. */
export function drawCharts(charts: readonly Chart[], label: string): string {
  const width = WIDTH * charts.length;
  const drawn = charts.map((chart, index) => `<g transform="translate(${index * WIDTH} 0)">${drawChart(chart)}</g>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT}" width="${width}" height="${HEIGHT}"
  role="img" aria-label="${label}" font-family="system-ui, sans-serif" font-size="12">
<rect width="${width}" height="${HEIGHT}" fill="#fff"/>
${drawn.join('\n')}
</svg>
`;
}

function drawChart({ title, unit, lines }: Chart): string {
  const points = lines.flatMap((line) => line.points);
  const xs = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const highest = roundUp(Math.max(...points.map(({ y }) => y)));
  const [low, high] = [Math.log10(xs[0] ?? 1), Math.log10(xs.at(-1) ?? 10)];
  const left = (x: number) =>
    MARGIN.left + ((Math.log10(x) - low) / (high - low || 1)) * (WIDTH - MARGIN.left - MARGIN.right);
  const top = (y: number) => HEIGHT - MARGIN.bottom - (y / highest) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const at = ({ x, y }: { x: number; y: number }) => `${left(x).toFixed(1)},${top(y).toFixed(1)}`;
  const rows = Array.from({ length: TICKS + 1 }, (_, tick) => (highest / TICKS) * tick);
  return [
    `<text x="${MARGIN.left}" y="18" font-weight="600" fill="#222">${title}</text>`,
    ...rows.map(
      (y) =>
        `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${top(y)}" y2="${top(y)}" stroke="#ddd"/>` +
        `<text x="${MARGIN.left - 6}" y="${top(y) + 4}" text-anchor="end" fill="#555">${unit(y)}</text>`,
    ),
    ...xs.map(
      (x) =>
        `<text x="${left(x)}" y="${HEIGHT - 24}" text-anchor="middle" fill="#555">${x.toLocaleString('en')}</text>`,
    ),
    `<text x="${WIDTH / 2}" y="${HEIGHT - 6}" text-anchor="middle" fill="#555">items</text>`,
    ...lines.flatMap(({ name, colour, points: own }, index) => [
      `<polyline points="${own.map(at).join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...own.map((point) => `<circle cx="${at(point).replace(',', '" cy="')}" r="3" fill="${colour}"/>`),
      `<text x="${MARGIN.left + index * 140}" y="34" fill="${colour}">${name}</text>`,
    ]),
  ].join('\n');
}

/** The next 1, 2, 4, 5 or 10 times a power of ten. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return ([1, 2, 4, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

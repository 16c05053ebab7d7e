// One chart: a Dygraph, the values at the cursor above it, the same figures as a table below it.

/** dygraphs' own legend and titles write HTML, and would write the names of runs: without them it writes numbers only. */
Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => /^(Axes|Gridline) Plugin$/.test(plugin.prototype.toString()));

const kDashes = { eval: null, averaged: [7, 3], train: [2, 2] };
const kHint = 'Arrow keys move the cursor, plus and minus zoom, Escape shows everything.';

class RunChart {
  /** `page`: runs(), colourOf(run, kind), isSingle(), view, zoom(range), setCursor(x, chart). */
  constructor(metric, page) {
    this.metric = metric;
    this.page = page;
    this.series = [];  // of the lines drawn: {run, kind, faint, x, y, key}
    this.isLog = false;
    this.legend = element('div', { class: 'legend' });
    this.plot = element('div', { class: 'plot', tabindex: '0', role: 'application', 'aria-label': `${metric.title}: chart. ${kHint}` });
    this.plot.addEventListener('keydown', (event) => this.onKey(event));
    this.cursor = element('div', { class: 'cursor', hidden: true });
    this.figures = lazyDetails('As a table', () => chartTable(this), { class: 'figures' });
    const log = element('label', { class: 'check' }, element('input', { type: 'checkbox', onchange: (event) => this.setLog(event.target.checked) }), 'log scale');
    this.box = element(
      'figure',
      { class: metric.wide ? 'chart wide' : 'chart', id: `chart-${metric.id}` },
      element('figcaption', {}, element('h3', {}, metric.title), metric.log ? log : null),
      this.legend,
      element('div', { class: 'plot-box' }, this.plot, this.cursor),
      this.figures,
    );
  }

  setLog(isLog) {
    this.isLog = isLog;
    this.graph?.updateOptions({ logscale: isLog, valueRange: null });
    this.placeCursor();
  }

  /** Draws the runs that are ticked; hidden where none of them has anything of this. */
  draw() {
    this.series = this.page.runs().flatMap((run) => {
      const lines = linesOf(run, this.metric, this.page.view);
      return lines.filter((line) => !line.faint || this.page.runs().length <= kFewRuns).map((line) => ({ run, ...line }));
    });
    this.series.forEach((one, index) => (one.key = `s${index}`));
    this.box.hidden = this.series.length === 0;
    if (this.box.hidden) {
      this.graph?.destroy();
      this.graph = null;
      return;
    }
    const options = { ...this.look(), file: mergedRows(this.series), labels: ['x', ...this.series.map((one) => one.key)] };
    if (this.graph) this.graph.updateOptions(options);
    else this.graph = new Dygraph(this.plot, options.file, { ...options, ...this.behaviour() });
    this.figures.renew();
    this.showValues();
    this.placeCursor();
  }

  /** What hangs on the theme, the axis and the lines. */
  look() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const { metric, page } = this;
    const axis = page.view.axis;
    return {
      gridLineColor: colour('--grid'),
      axisLineColor: colour('--line'),
      logscale: this.isLog,
      includeZero: metric.zero === true && !this.isLog,
      dateWindow: page.view.range,
      series: Object.fromEntries(this.series.map((one) => [one.key, this.lineStyle(one)])),
      axes: {
        x: {
          valueRange: null, drawGrid: false, axisLabelWidth: 60, pixelsPerLabel: 50,
          ticker: axis === 'time' ? timeTicks : Dygraph.numericTicks,
          axisLabelFormatter: (value, spacing) => (axis === 'time' ? tickTime(value, spacing) : number(value)),
        },
        y: {
          axisLabelWidth: 46, pixelsPerLabel: 36,
          axisLabelFormatter: (value) => (metric.id === 'accuracy' ? `${Number((100 * value).toFixed(2))}%` : shortNumber(value)),
        },
      },
    };
  }

  lineStyle(one) {
    const colour = this.page.colourOf(one.run, one.kind);
    if (one.faint) return { color: withAlpha(colour, 0.28), strokeWidth: 1 };
    const isMain = one.kind !== 'train' || Object.keys(this.metric.epochs).length < 2;
    const dashed = isMain || this.page.isSingle() ? kDashes[isMain && one.kind === 'train' ? 'eval' : one.kind] : kDashes.train;
    const plain = one.kind === 'train' && this.page.isSingle() ? null : dashed;
    return { color: colour, strokeWidth: isMain ? 2 : 1.4, strokePattern: plain, drawPoints: one.x.length === 1, pointSize: 3 };
  }

  behaviour() {
    return {
      connectSeparatedPoints: true,
      legend: 'never',
      highlightCircleSize: 0,
      axisLabelFontSize: 11,
      rightGap: 10,
      xRangePad: 4,
      yRangePad: 8,
      labelsUTC: true,
      animatedZooms: false,
      interactionModel: interaction((x) => this.page.setCursor(x, this)),
      highlightCallback: (event, x) => this.page.setCursor(x, this),
      unhighlightCallback: () => this.page.setCursor(null, this),
      zoomCallback: () => this.onZoom(),
    };
  }

  /** A zoom along y is this chart's own, one along x all charts'. */
  onZoom() {
    if (this.graph.isZoomed('x')) this.page.zoom(this.graph.xAxisRange());
    else if (this.graph.isZoomed()) this.page.noteZoom();
    else this.page.zoom(null);
  }

  /** Follows a zoom along the x axis; null: everything, of the y axis as well. */
  show(range) {
    this.graph?.updateOptions(range ? { dateWindow: range } : { dateWindow: null, valueRange: null });
    this.placeCursor();
  }

  resize() {
    this.graph?.resize();
    this.placeCursor();
  }

  /** Keeps its size in pixels, whatever becomes of what is around it: a canvas of another size would be printed empty. */
  fix() {
    this.plot.style.width = `${this.plot.clientWidth}px`;
  }

  /** As wide as its place on paper, or as on the screen again. */
  print(isPrinting) {
    const room = this.plot.parentElement.clientWidth;
    this.plot.style.zoom = isPrinting ? room / this.plot.clientWidth : '';
    if (!isPrinting) this.plot.style.width = '';
  }

  /** The cursor's line, at the same place in all charts. */
  placeCursor() {
    const x = this.page.view.cursor;
    const inside = this.graph && x !== null && x >= this.graph.xAxisRange()[0] && x <= this.graph.xAxisRange()[1];
    this.cursor.hidden = !inside;
    if (inside) this.cursor.style.left = `${this.graph.toDomXCoord(x)}px`;
  }

  /** The values at the cursor, or else the last ones. */
  showValues() {
    const shown = this.series.filter((one) => !one.faint);
    const x = this.page.view.cursor;
    const valueOf = (one) => {
      const index = x === null ? lastNumber(one.y) : nearestPoint(one.x, x);
      return index < 0 ? kMissing : this.metric.format(one.y[index]);
    };
    const value = (one) => element('span', { class: 'value' }, valueOf(one));
    this.legend.classList.toggle('of-runs', !this.page.isSingle());
    const values = Math.max(1, ...this.page.runs().map((run) => shown.filter((one) => one.run === run).length));
    this.legend.style.setProperty('--entry', `${entryWidth(this.page.runs(), values)}px`);
    if (this.page.isSingle()) {
      const alone = Object.keys(this.metric.epochs).length < 2;
      const name = (one) => element('span', { class: 'name' }, kindName(one.kind, [one.run]));
      fill(this.legend, shown.map((one) => element('span', { class: 'entry' }, alone ? null : [this.sample(one), name(one)], value(one))));
      return;
    }
    fill(
      this.legend,
      this.page.runs().map((run) => {
        const own = shown.filter((one) => one.run === run);
        if (own.length === 0) return null;
        const values = own.map((one) => [own.length > 1 ? this.sample(one) : null, element('span', { class: 'value', title: kindName(one.kind, [run]) }, valueOf(one))]);
        const dot = own.length > 1 ? null : swatch(this.page.colourOf(run, 'eval'));
        return element('span', { class: 'entry' }, dot, element('span', { class: 'name', title: run.name }, element('bdi', {}, run.name)), values);
      }),
    );
  }

  sample(one) {
    const made = swatch(this.page.colourOf(one.run, one.kind), 'line');
    if (this.lineStyle(one).strokePattern) made.classList.add(one.kind === 'train' ? 'dotted' : 'dashed');
    return made;
  }

  onKey(event) {
    const range = this.graph?.xAxisRange();
    if (!range || event.ctrlKey || event.metaKey || event.altKey) return;
    const { view } = this.page;
    const middle = view.cursor ?? (range[0] + range[1]) / 2;
    const zoomed = (factor) => this.page.zoom(range.map((end) => middle + (end - middle) * factor));
    const actions = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      '+': () => zoomed(0.5),
      '=': () => zoomed(0.5),
      '-': () => zoomed(2),
      Escape: () => this.page.zoom(null),
      0: () => this.page.zoom(null),
    };
    if (!actions[event.key]) return;
    actions[event.key]();
    event.preventDefault();
  }

  /** Moves the cursor to the next point of the first line, and says the values there. */
  step(direction) {
    const line = this.series.find((one) => !one.faint);
    const { cursor } = this.page.view;
    const at = cursor === null ? (direction > 0 ? -1 : line.x.length) : nearestPoint(line.x, cursor);
    const next = Math.min(line.x.length - 1, Math.max(0, at + direction));
    this.page.setCursor(line.x[next], this);
    this.page.say(`${this.metric.title} at ${this.page.describeX(line.x[next])}: ${this.legend.innerText.replace(/\s+/g, ' ')}`);
  }
}

/** How wide an entry of the legend is: with room for the longest name, as long as that takes no more than a few lines. */
function entryWidth(runs, values) {
  const kLetter = 7.5;
  const name = kLetter * Math.max(...runs.map((run) => run.name.length), 8);
  const least = values > 1 ? 26 + 84 * values : 76;
  const most = runs.length > 2 * kFewRuns ? 94 : 190;
  return Math.round(least + Math.min(name, most));
}

/** Dygraph's rows: x, and each series' value there or null. What isn't a number is a gap, NaN to dygraphs. */
function mergedRows(series) {
  const rows = new Map();
  series.forEach((one, column) => {
    one.x.forEach((x, index) => {
      if (!rows.has(x)) rows.set(x, [x, ...new Array(series.length).fill(null)]);
      rows.get(x)[column + 1] = isNumber(one.y[index]) ? one.y[index] : NaN;
    });
  });
  return [...rows.values()].sort((a, b) => a[0] - b[0]);
}

/** Ticks at round times. */
function timeTicks(from, to, pixels, options) {
  const most = Math.max(2, pixels / options('pixelsPerLabel'));
  const round = [0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];
  const distance = round.find((one) => (to - from) / one <= most) ?? (to - from) / most;
  const ticks = [];
  for (let v = Math.ceil(from / distance) * distance; v <= to; v += distance) ticks.push({ v, label: tickTime(v, distance) });
  return ticks;
}

/** On an axis there is room for six characters. */
function shortNumber(value) {
  const size = Math.abs(value);
  if (size >= 999.5e6) return value.toExponential(1).replace('.0e', 'e').replace('e+', 'e');
  if (size >= 999500) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 9999.5) return `${Number((value / 1e3).toPrecision(3))}k`;
  if (size !== 0 && size < 1e-3) return value.toExponential(1).replace('.0e', 'e').replace('e-', 'e\u2212');
  return String(Number(value.toPrecision(size >= 1000 ? 4 : 3)));
}

function lastNumber(values) {
  return values.findLastIndex(isNumber);
}

/** '#rrggbb' with an opacity. */
function withAlpha(colour, alpha) {
  const part = (from) => parseInt(colour.slice(from, from + 2), 16);
  return `rgba(${part(1)},${part(3)},${part(5)},${alpha})`;
}

/** Mouse: drag zooms, shift and drag moves, double click shows everything. Touch: one finger has the cursor and still
    scrolls the page up and down, two fingers zoom. */
function interaction(setCursor) {
  const model = Dygraph.defaultInteractionModel;
  const follow = (event, graph) => {
    const box = graph.graphDiv.getBoundingClientRect();
    setCursor(graph.toDataXCoord(event.touches[0].clientX - box.left));
  };
  return {
    mousedown: model.mousedown,
    dblclick: model.dblclick,
    willDestroyContextMyself: true,
    touchstart: (event, graph, context) => (event.touches.length > 1 ? model.touchstart(event, graph, context) : follow(event, graph)),
    touchmove: (event, graph, context) => {
      if (event.touches.length > 1 && context.initialTouches) model.touchmove(event, graph, context);
      else follow(event, graph);
    },
    touchend: (event, graph, context) => {
      if (event.touches.length === 0) context.initialTouches = null;
    },
  };
}

/** The figures of a chart: a row for each epoch, a column for each line. */
function chartTable(chart) {
  const shown = chart.series.filter((one) => !one.faint);
  const single = chart.page.isSingle();
  const runs = [...new Set(shown.map((one) => one.run))];
  const epochs = Math.max(0, ...runs.map((run) => run.epochs?.epoch.at(-1) ?? 0));
  const title = (one) => (single ? kindName(one.kind, [one.run]) : `${one.run.name}, ${kindName(one.kind, [one.run]).toLowerCase()}`);
  const rows = [];
  for (let epoch = 1; epoch <= epochs; ++epoch) rows.push([String(epoch), ...shown.map((one) => chart.metric.format(valueAtEpoch(one, epoch, chart.page.view.axis)))]);
  return table(`${chart.metric.title} after each epoch`, [{ title: 'Epoch', numeric: true }, ...shown.map((one) => ({ title: title(one), numeric: true }))], rows);
}

function valueAtEpoch(line, epoch, axis) {
  const row = line.run.epochs.epoch.indexOf(epoch);
  if (row < 0) return null;
  const x = line.ofEpochs ? epochPosition(line.run, row, axis) : positionOf(line.run, line.run.epochs.step[row], axis);
  const index = nearestPoint(line.x, x);
  if (index < 0 || (line.ofEpochs && line.x[index] !== x)) return null;
  return line.y[index];
}

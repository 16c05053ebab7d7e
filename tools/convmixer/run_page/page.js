// The page: what is ticked and how it is looked at; its parts are drawn anew from that.

/** Ten runs' colours, found by search: as far apart as can be in Lab to people of any colour vision (Machado, Oliveira and
    Fernandes 2009, severity 1), in contrast to the background; run_page_test.py has the distances. */
const kColours = {
  light: ['#0b63c5', '#c47d26', '#5d295d', '#dd4f8f', '#113a29', '#749a5e', '#b877c9', '#281f88', '#70562c', '#322ad1'],
  dark: ['#6db1ff', '#c47d26', '#b698a5', '#c0eecf', '#d74a5b', '#b155ab', '#cfce34', '#71d86b', '#6f73d9', '#4ed0dc'],
};
/** Of a run alone its kinds of line have colours of their own. */
const kKindColours = {
  light: { train: '#6a7079', eval: '#0b63c5', averaged: '#c2410c' },
  dark: { train: '#a4abb6', eval: '#6db1ff', averaged: '#ff8f5c' },
};

const kDefaultTicks = 10;  // runs ticked at first
const kFewRuns = 3;  // of so many all kinds of line are shown at first, of more the evaluations alone

// Milliseconds for which nothing is drawn anew: what is pressed must still be there when it is let go, and scrolled.
const kPressed = 3000;  // at most: not every browser tells when a menu or a scrollbar is let go
const kTapped = 350;  // after a finger has gone, until its click comes
const kScrolled = 300;

class RunPage {
  constructor(made) {
    this.document = made;
    this.ticked = new Set(made.live?.ticked ?? made.runs.slice(0, kDefaultTicks).map((run) => run.id));
    const kinds = made.runs.length <= kFewRuns ? kKinds : ['eval'];
    this.view = { axis: 'epoch', smoothing: 0, kinds: new Set(kinds), range: null, cursor: null };
    this.chosen = null;  // the run whose results, settings and log are shown
    this.heldUntil = 0;  // on performance.now()'s clock
    this.onTick = null;
    this.onDetails = null;  // is told which run's details are shown
    this.charts = kMetrics.map((metric) => new RunChart(metric, this));
    fill(byId('chart-grid'), this.charts.map((chart) => chart.box));
    this.theme = new Theme(() => this.draw());
    this.listen();
    this.setSmoothing();
    this.draw();
  }

  listen() {
    byId('axis').addEventListener('change', (event) => this.setAxis(event.target.value));
    byId('smoothing').addEventListener('input', () => this.smooth());
    byId('unzoom').addEventListener('click', () => this.zoom(null));
    let width = window.innerWidth;
    window.addEventListener('resize', () => {
      if (width === window.innerWidth) return;  // a phone's address bar changes the height alone
      width = window.innerWidth;
      this.charts.forEach((chart) => chart.resize());
    });
    const hold = (type, milliseconds) => window.addEventListener(type, (event) => this.hold(milliseconds(event)), { capture: true, passive: true });
    hold('pointerdown', () => kPressed);
    hold('pointerup', (event) => (event.pointerType === 'mouse' ? 0 : kTapped));
    for (const type of ['pointercancel', 'click', 'dragend']) hold(type, () => 0);
    hold('scroll', () => Math.max(kScrolled, this.heldUntil - performance.now()));
    window.addEventListener('beforeprint', () => this.print(true));
    window.addEventListener('afterprint', () => this.print(false));
  }

  print(isPrinting) {
    if (isPrinting) this.charts.forEach((chart) => chart.fix());
    document.documentElement.classList.toggle('on-paper', isPrinting);
    this.theme.print(isPrinting);
    this.charts.forEach((chart) => chart.print(isPrinting));
  }

  /** The ticked runs that have curves. */
  runs() {
    return this.document.runs.filter((run) => this.ticked.has(run.id) && run.epochs);
  }

  isSingle() {
    return this.document.runs.length === 1;
  }

  colourOf(run, kind) {
    if (this.isSingle()) return kKindColours[this.theme.shown][kind];
    const colours = kColours[this.theme.shown];
    return colours[this.document.runs.indexOf(run) % colours.length];
  }

  tick(id, isTicked) {
    if (isTicked) this.ticked.add(id);
    else this.ticked.delete(id);
    this.onTick?.(id, isTicked);
    this.redraw();
  }

  setAxis(axis) {
    this.view.axis = axis;
    this.view.range = null;
    this.view.cursor = null;
    this.drawCharts();
    this.zoom(null);
    this.describeCursor();
  }

  /** Starts with a fiftieth of the longest run's steps. */
  setSmoothing() {
    const slider = byId('smoothing');
    const spans = smoothingSpans(this.document.runs);
    const longest = Math.max(0, ...this.document.runs.map((run) => run.clock?.step.at(-1) ?? 0));
    const wasSet = slider.max > 0;
    slider.max = Math.max(0, spans.length - 1);
    if (!wasSet) slider.value = Math.max(0, spans.findLastIndex((span) => span <= longest / 50));
    const hasSteps = this.document.runs.some((run) => run.steps?.loss?.step.length > 0);
    byId('smoothing-box').hidden = !hasSteps || spans.length < 2;
    this.view.smoothing = spans[slider.value] ?? 0;
    byId('smoothing-text').textContent = this.view.smoothing > 0 ? plural(this.view.smoothing, 'step') : 'off';
  }

  smooth() {
    this.setSmoothing();
    this.drawCharts();
  }

  /** Zooms all charts along x; null: all of them show everything. */
  zoom(range) {
    this.view.range = range;
    byId('unzoom').hidden = range === null;
    this.charts.forEach((chart) => chart.show(range));
  }

  noteZoom() {
    byId('unzoom').hidden = false;
  }

  setCursor(x) {
    if (this.view.cursor === x) return;
    this.view.cursor = x;
    this.charts.forEach((chart) => {
      chart.placeCursor();
      chart.showValues();
    });
    this.describeCursor();
  }

  describeCursor() {
    byId('cursor-place').textContent = this.view.cursor === null ? '' : this.describeX(this.view.cursor);
  }

  describeX(x) {
    if (this.view.axis === 'time') return `after ${duration(x)}`;
    return this.view.axis === 'step' ? `step ${count(x)}` : `epoch ${Number(x.toFixed(2))}`;
  }

  say(text) {
    byId('announcer').textContent = text;
  }

  /** Draws everything at the next frame for which nothing is held, however often it is asked. */
  redraw() {
    if (this.isDue) return;
    this.isDue = true;
    this.schedule();
  }

  schedule() {
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    const wait = this.heldUntil - performance.now();
    if (wait > 0) this.timer = setTimeout(() => this.schedule(), wait);
    else this.frame = requestAnimationFrame(() => this.drawDue());
  }

  drawDue() {
    this.isDue = false;
    this.setSmoothing();
    this.draw();
  }

  /** Draws nothing anew for so long, from now on. */
  hold(milliseconds) {
    this.heldUntil = performance.now() + milliseconds;
    if (this.isDue) this.schedule();
  }

  draw() {
    drawHeading(this);
    drawOverview(this);
    this.drawKinds();
    this.drawCharts();
    drawSections(this);
    drawFooter(this);
    this.onDetails?.(chosenRun(this, this.runs()));
  }

  drawCharts() {
    byId('charts').hidden = this.runs().length === 0;
    this.charts.forEach((chart) => chart.draw());
    const small = this.charts.filter((chart) => !chart.metric.wide && !chart.box.hidden);
    const columns = String(6 / small.length);
    for (const chart of small.filter((one) => one.box.style.getPropertyValue('--columns') !== columns)) {
      chart.box.style.setProperty('--columns', columns);
      chart.resize();
    }
  }

  /** A box to tick for each kind of line that there is. */
  drawKinds() {
    const present = kKinds.filter((kind) => this.runs().some((run) => kind === 'train' || run.epochs[`${kind}_accuracy`]?.some(isNumber)));
    const text = [...present, ...this.runs().map((run) => run.evaluated_on), this.isSingle(), this.theme.shown].join();
    if (this.kindsText === text) return;
    this.kindsText = text;
    const box = (kind) => {
      const input = element('input', { type: 'checkbox', value: kind, 'data-key': kind, onchange: () => this.toggleKind(kind, input.checked) });
      input.checked = this.view.kinds.has(kind);
      return element('label', { class: 'check' }, input, kindSample(kind, this), kindName(kind, this.runs()));
    };
    refill(byId('kinds'), element('legend', { class: 'visually-hidden' }, 'Lines'), present.length > 1 ? present.map(box) : null);
  }

  toggleKind(kind, isShown) {
    if (isShown) this.view.kinds.add(kind);
    else this.view.kinds.delete(kind);
    this.drawCharts();
  }

  /** What served pages are told: see document.md. */
  put(run) {
    const place = this.document.runs.findIndex((one) => one.id === run.id);
    run.figures ??= this.document.runs[place]?.figures;
    if (place >= 0) this.document.runs[place] = run;
    else this.document.runs.push(run);
    this.redraw();
  }

  remove(id) {
    this.document.runs = this.document.runs.filter((run) => run.id !== id);
    this.ticked.delete(id);
    this.redraw();
  }

  showFigures(id, figures) {
    const run = this.document.runs.find((one) => one.id === id);
    if (!run) return;
    run.figures = figures;
    this.redraw();
  }

  append(increment) {
    const run = this.document.runs.find((one) => one.id === increment.id);
    if (!run) return;
    appendTo(run, increment);
    this.redraw();
  }
}

function kindSample(kind, page) {
  const colour = page.isSingle() ? kKindColours[page.theme.shown][kind] : 'currentcolor';
  const made = swatch(colour, 'line');
  if (kind === 'averaged') made.classList.add('dashed');
  if (kind === 'train' && !page.isSingle()) made.classList.add('dotted');
  return made;
}

/** Adds to a run what came to it. */
function appendTo(run, increment) {
  for (const [name, value] of Object.entries(increment)) {
    if (name === 'steps') {
      run.steps ??= {};
      for (const [metric, points] of Object.entries(value)) appendCurve((run.steps[metric] ??= { step: [], value: [] }), points);
    } else if (name === 'epochs') {
      run.epochs ??= {};
      for (const [column, values] of Object.entries(value)) (run.epochs[column] ??= []).push(...values);
    } else if (name === 'log') {
      (run.log ??= []).push(...value);
    } else if (name === 'whole_log') {
      run.log = value;
    } else if (name !== 'id') {
      run[name] = value;
    }
  }
}

function appendCurve(curve, points) {
  curve.step.push(...points.step);
  curve.value.push(...points.value);
  curve.mean?.push(...(points.mean ?? points.value));
}

window.runPage = new RunPage(JSON.parse(byId('run-document').textContent));

// What of a run is drawn: its curves over steps, epochs or time, smoothed.

/** What a chart shows. `epochs`: columns of a run's "epochs" by kind of line. */
const kMetrics = [
  {
    id: 'accuracy', title: 'Accuracy', format: percent, wide: true,
    steps: 'accuracy', epochs: { train: 'accuracy', eval: 'eval_accuracy', averaged: 'averaged_accuracy' },
  },
  {
    id: 'loss', title: 'Loss', format: loss, wide: true, log: true,
    steps: 'loss', epochs: { train: 'loss', eval: 'eval_loss', averaged: 'averaged_loss' },
  },
  { id: 'learning_rate', title: 'Learning rate', format: number, log: true, exact: true, steps: 'learning_rate', epochs: { train: 'learning_rate' } },
  { id: 'gradient_norm', title: 'Gradient norm', format: number, log: true, steps: 'gradient_norm', epochs: {} },
  {
    id: 'images_per_second', title: 'Images per second', format: count, log: true, zero: true,
    steps: 'images_per_second', epochs: { train: 'images_per_second' },
  },
];

const kKinds = ['train', 'eval', 'averaged'];

/** How a kind of line is called; `runs` are those that have it. */
function kindName(kind, runs) {
  if (kind === 'train') return 'Training';
  if (kind === 'averaged') return 'Averaged weights';
  const names = new Set(runs.map((run) => (run.evaluated_on === 'holdout' ? 'Held-out' : 'Test')));
  return [...names].sort().join(' / ') || 'Test';
}

/** y at x of a line through corners with rising xs; beyond its ends it stays as it is. */
function interpolate(xs, ys, x) {
  if (xs.length === 0) return NaN;
  let low = 0;
  let high = xs.length - 1;
  if (x <= xs[0]) return ys[0];
  if (x > xs[high]) return ys[high];
  while (high - low > 1) {  // xs[low] < x <= xs[high]
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle;
    else high = middle;
  }
  const share = xs[high] === xs[low] ? 1 : (x - xs[low]) / (xs[high] - xs[low]);
  return ys[low] + share * (ys[high] - ys[low]);
}

/** Where a step is on the axis chosen: 'step', 'epoch' or 'time'. */
function positionOf(run, step, axis) {
  if (axis === 'step') return step;
  return interpolate(run.clock.step, axis === 'epoch' ? run.clock.epoch : run.clock.seconds, step);
}

/** Where a finished epoch is on that axis. */
function epochPosition(run, index, axis) {
  if (axis === 'epoch') return run.epochs.epoch[index];
  return axis === 'step' ? run.epochs.step[index] : run.epochs.seconds[index];
}

/**
 * An exponential mean over about `span` steps, which knows how far apart points are: a point that stands for more steps
 * weighs more. Where points were left out, their means are averaged, not the extremes that were kept.
 */
function smoothed(curve, span) {
  let sum = 0;
  let weight = 0;
  let before = 0;
  return curve.step.map((step, index) => {
    const value = curve.mean?.[index] ?? curve.value[index];
    if (!isNumber(value)) return null;
    const kept = Math.exp(-Math.max(1, step - before) / span);
    before = step;
    sum = kept * sum + (1 - kept) * value;
    weight = kept * weight + (1 - kept);
    return sum / weight;
  });
}

/** A curve of single steps as lines: the smoothed one, and faintly behind it the one as recorded. */
function stepLines(run, curve, metric, view) {
  const x = curve.step.map((step) => positionOf(run, step, view.axis));
  if (view.smoothing === 0 || metric.exact) return [{ kind: 'train', x, y: curve.value }];
  return [{ kind: 'train', faint: true, x, y: curve.value }, { kind: 'train', x, y: smoothed(curve, view.smoothing) }];
}

/** A column of finished epochs as a line; what wasn't evaluated is passed over, what isn't a number is a gap. */
function epochLine(run, column, kind, view) {
  const line = { kind, ofEpochs: true, x: [], y: [] };
  const evaluated = kind === 'train' ? null : run.epochs.eval_seconds;
  column.forEach((value, index) => {
    if (!isNumber(value) && evaluated && !evaluated[index]) return;
    line.x.push(epochPosition(run, index, view.axis));
    line.y.push(value);
  });
  return line;
}

/** All lines of a run in a chart: [{kind, faint?, ofEpochs?, x, y}]. Training's are those of steps where there are any. */
function linesOf(run, metric, view) {
  const lines = [];
  const curve = run.steps?.[metric.steps];
  const wanted = (kind) => view.kinds.has(kind) || Object.keys(metric.epochs).length < 2;
  if (curve?.step.length > 0 && wanted('train')) lines.push(...stepLines(run, curve, metric, view));
  for (const [kind, name] of Object.entries(metric.epochs)) {
    const column = run.epochs?.[name];
    if (!column?.some(isNumber) || !wanted(kind)) continue;
    if (kind === 'train' && curve?.step.length > 0) continue;
    lines.push(epochLine(run, column, kind, view));
  }
  return lines;
}

/** The index of the point nearest to x; -1 where there is none. */
function nearestPoint(xs, x) {
  let low = 0;
  let high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1;
    else high = middle;
  }
  if (low === xs.length) return xs.length - 1;
  return low > 0 && x - xs[low - 1] <= xs[low] - x ? low - 1 : low;
}

/** The spans of smoothing worth offering: up to a tenth of the longest run's steps; 0 is none. */
function smoothingSpans(runs) {
  const longest = Math.max(0, ...runs.map((run) => run.clock?.step.at(-1) ?? 0));
  return [0, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000].filter((span) => span <= longest / 10);
}

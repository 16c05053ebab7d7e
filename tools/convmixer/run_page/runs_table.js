// Tables of runs: which there are, what differs between them, when they reached which accuracy.

const kStates = { running: 'running', stopped: 'stopped', finished: 'finished', failed: 'failed', died: 'died' };

/** The last epoch that was evaluated and its accuracy, of averaged weights where there are any; null before there is one. */
function lastEvaluation(run) {
  const row = run.epochs?.epoch.findLastIndex((_, index) => isNumber(accuracyOf(run, index))) ?? -1;
  return row < 0 ? run.last ?? null : { epoch: run.epochs.epoch[row], accuracy: accuracyOf(run, row) };
}

function accuracyOf(run, row) {
  return [run.epochs.averaged_accuracy?.[row], run.epochs.eval_accuracy?.[row]].find(isNumber);
}

/** The last epoch whose training loss is a number, and that; null before there is one. */
function lastLoss(run) {
  const row = run.epochs?.loss?.findLastIndex(isNumber) ?? -1;
  return row < 0 ? null : { epoch: run.epochs.epoch[row], loss: run.epochs.loss[row] };
}

/** Images per second over all finished epochs; before there is one, over the steps. */
function meanRate(run) {
  const ofEpochs = weightedMean(run.epochs?.images_per_second ?? [], run.epochs?.train_seconds ?? []);
  const curve = run.steps?.images_per_second;
  if (ofEpochs !== null || !curve) return ofEpochs;
  const rates = curve.step.map((_, index) => curve.mean?.[index] ?? curve.value[index]);
  const times = rates.map((rate, index) => (curve.step[index] - (curve.step[index - 1] ?? 0)) / rate);  // but for the images of a step
  return weightedMean(rates, times);
}

/** Of what has a weight; null where nothing has. */
function weightedMean(values, weights) {
  let sum = 0;
  let weight = 0;
  values.forEach((value, index) => {
    if (!isNumber(value) || !isNumber(weights[index])) return;
    sum += value * weights[index];
    weight += weights[index];
  });
  return weight > 0 ? sum / weight : null;
}

function runSeconds(run) {
  return run.clock?.seconds.at(-1) ?? null;
}

/** How many epochs are through; null where that isn't known. */
function epochsDone(run) {
  return run.epochs?.epoch.at(-1) ?? run.progress?.epoch ?? null;
}

function epochsText(run) {
  const done = epochsDone(run);
  if (done === null) return kMissing;
  return run.progress?.epochs > done ? `${done} of ${run.progress.epochs}` : String(done);
}

function stateBadge(run) {
  if (!kStates[run.state]) return null;
  const left = run.state === 'running' && isNumber(run.progress?.seconds_left) ? `, ${duration(run.progress.seconds_left)} left` : '';
  return element('span', { class: `state state-${run.state}`, title: run.error || null }, kStates[run.state] + left);
}

function tags(run) {
  return (run.tags ?? []).map((tag) => element('span', { class: 'tag' }, element('bdi', {}, tag)));
}

/** All runs with a box to tick each; sorts by any column. */
function runsTable(page) {
  const holdout = page.document.runs.some((run) => run.evaluated_on === 'holdout');
  const number = (title, hint) => ({ title, hint, numeric: true });
  const columns = [
    { title: 'Run' }, { title: 'State' }, number('Best', 'Best accuracy after an epoch'), number('At epoch'), number('Last', 'Accuracy after the last epoch that was evaluated'),
    ...(holdout ? [number('Test', 'Accuracy on the test images, evaluated once, at the end')] : []),
    number('Epochs'), number('Time', 'Of training and evaluation'), number('Images/s', 'Mean over training'),
  ];
  const rows = page.document.runs.map((run) => [
    { text: runCell(run, page), value: run.name },
    { text: stateBadge(run) ?? kMissing, value: run.state },
    { text: percent(run.best?.accuracy), value: run.best?.accuracy },
    { text: run.best ? String(run.best.epoch) : kMissing, value: run.best?.epoch },
    { text: percent(lastEvaluation(run)?.accuracy), value: lastEvaluation(run)?.accuracy },
    ...(holdout ? [{ text: percent(run.test?.accuracy), value: run.test?.accuracy }] : []),
    { text: epochsText(run), value: epochsDone(run) },
    { text: duration(runSeconds(run)), value: runSeconds(run) },
    { text: count(meanRate(run)), value: meanRate(run) },
  ]);
  return table('Runs', columns, rows, { sortable: true, class: 'runs' });
}

function runCell(run, page) {
  const box = element('input', { type: 'checkbox', 'data-run': run.id, 'data-key': `run ${run.id}`, onchange: (event) => page.tick(run.id, event.target.checked) });
  box.checked = page.ticked.has(run.id);
  const note = run.note ? element('span', { class: 'note' }, element('bdi', {}, run.note)) : null;
  return element('label', { class: 'run' }, box, swatch(page.colourOf(run, 'eval')), element('span', {}, element('bdi', { class: 'name' }, run.name), tags(run), note));
}

function nameHead(page, run) {
  return element('span', { class: 'run-head' }, swatch(page.colourOf(run, 'eval')), element('bdi', {}, run.name));
}

/** Settings that name a run rather than make it what it is. */
const kNames = new Set(['out', 'name', 'tag', 'note', 'quiet', 'progress', 'open']);

/** What differs between the runs' settings, a row each. */
function differences(page, runs) {
  const values = new Map();
  runs.forEach((run, index) => {
    for (const { name, value } of run.settings ?? []) {
      if (!values.has(name)) values.set(name, new Array(runs.length).fill(null));
      values.get(name)[index] = value;
    }
  });
  const rows = [...values].filter(([name, row]) => !kNames.has(name) && new Set(row).size > 1);
  if (rows.length === 0) return element('p', { class: 'quiet' }, 'Their settings are the same.');
  const cell = (value) => (value === null || value === '' ? kMissing : element('bdi', {}, value));
  return table('What differs', [{ title: 'Setting' }, ...runs.map((run) => ({ title: nameHead(page, run) }))],
    rows.map(([name, row]) => [element('code', {}, name), ...row.map(cell)]), { class: 'settings' });
}

/** All settings of a run, by groups. */
function allSettings(run) {
  const groups = new Map();
  for (const setting of run.settings ?? []) {
    const group = setting.group || 'Settings';
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(setting);
  }
  return element('div', { class: 'groups' }, [...groups].map(([group, settings]) => element('div', {}, element('h4', {}, group), pairs(settings))));
}

/** Names and values beside each other. */
function pairs(entries) {
  return element('dl', {}, entries.map(({ name, value }) => [element('dt', {}, name), element('dd', {}, value === '' ? kMissing : element('bdi', {}, value))]));
}

/** When runs first reached which accuracy. */
function reachedTable(page, runs) {
  const thresholds = page.document.thresholds ?? [];
  const reached = thresholds.map((_, index) => runs.some((run) => run.reached?.[index]));
  const isLow = (index) => thresholds[index] < 0.5 && reached[thresholds.indexOf(0.6)];
  const shown = thresholds.map((_, index) => index).filter((index) => reached[index] && !isLow(index));
  if (shown.length === 0) return null;
  const cell = (one) => (one ? { text: [element('span', {}, duration(one.seconds)), element('small', {}, ` epoch ${one.epoch}`)], value: one.seconds } : { text: kMissing, value: null });
  const columns = [{ title: 'Run' }, ...shown.map((index) => ({ title: percent(thresholds[index], 0), numeric: true }))];
  const rows = runs.map((run) => [{ text: nameHead(page, run), value: run.name }, ...shown.map((index) => cell(run.reached?.[index]))]);
  return table('Time until an accuracy was first reached', columns, rows, { sortable: runs.length > 1, class: 'reached' });
}

/** The machines: a column for each that isn't like the one before. */
function machines(page, runs) {
  const kinds = new Map();
  for (const run of runs) {
    if (!run.machine?.length) continue;
    const text = JSON.stringify(run.machine);
    if (!kinds.has(text)) kinds.set(text, []);
    kinds.get(text).push(run);
  }
  if (kinds.size === 0) return null;
  return element('div', { class: 'groups' }, [...kinds.values()].map((same) =>
    element('div', {}, kinds.size > 1 ? element('h4', {}, same.map((run) => nameHead(page, run))) : null, pairs(same[0].machine))));
}

/** The figures that matter most of a run that is looked at alone. */
function keyFigures(run) {
  const on = run.evaluated_on === 'holdout' ? 'held-out images' : 'test images';
  const last = lastEvaluation(run);
  const trained = lastLoss(run);
  const epochs = epochsText(run);
  const figure = (label, value, note) => (value === kMissing ? null : element('div', { class: 'figure' }, element('dt', {}, label), element('dd', {}, value, note ? element('small', {}, note) : null)));
  return element(
    'dl', { class: 'key-figures' },
    figure('Test accuracy', percent(run.test?.accuracy), run.test ? `of the best, epoch ${run.test.epoch}` : ''),
    figure('Best accuracy', percent(run.best?.accuracy), run.best ? `${on}, epoch ${run.best.epoch}` : ''),
    figure('Last accuracy', percent(last?.accuracy), last ? `${on}, epoch ${last.epoch}` : ''),
    figure('Training loss', loss(trained?.loss), trained ? `epoch ${trained.epoch}` : ''),
    figure('Time', duration(runSeconds(run)), epochs === kMissing ? '' : `${epochs} epoch${epochs === '1' ? '' : 's'}`),
    figure('Images per second', count(meanRate(run)), 'mean over training'),
    figure('Parameters', count(run.parameters)),
  );
}

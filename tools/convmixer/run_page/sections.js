// The page's parts around its charts.

function drawHeading(page) {
  const { runs } = page.document;
  const alone = page.isSingle() ? runs[0] : null;
  document.title = `${alone ? alone.name : plural(runs.length, 'run')} \u2013 convmixer`;
  if (!alone) {
    fill(byId('heading'), element('h1', {}, page.document.live ? (runs.length > 0 ? plural(runs.length, 'run') : 'Runs') : `${plural(runs.length, 'run')} compared`));
    return;
  }
  const facts = [alone.model, alone.updated && moment(alone.updated)].filter(Boolean);
  fill(
    byId('heading'),
    element('h1', {}, element('bdi', {}, alone.name), stateBadge(alone)),
    alone.tags?.length > 0 ? element('p', {}, tags(alone)) : null,
    alone.note ? element('p', { class: 'lead' }, element('bdi', {}, alone.note)) : null,
    alone.error ? element('p', { class: 'notice' }, 'Ended by an error: ', element('bdi', {}, alone.error)) : null,
    facts.map((fact) => element('p', { class: 'quiet' }, element('bdi', {}, fact))),
  );
}

function drawOverview(page) {
  refill(byId('overview'), page.isSingle() ? keyFigures(page.document.runs[0]) : section('runs', 'Runs', runsTable(page)));
}

/** The run whose details are shown, of those ticked. */
function chosenRun(page, runs) {
  return runs.find((run) => run.id === page.chosen) ?? runs[0];
}

function drawSections(page) {
  const runs = page.runs();
  const opened = new Set([...byId('sections').querySelectorAll('details[open]')].map((details) => details.id));
  const chosen = chosenRun(page, runs);
  const parts = [
    section('reached', 'Time to accuracy', reachedTable(page, runs)),
    runs.length > 1 ? section('differences', 'What differs', differences(page, runs)) : null,
    ...(chosen ? details(page, runs, chosen) : []),
    section('machine', 'Machine', machines(page, runs)),
  ].filter(Boolean);
  for (const one of parts.flatMap((part) => [...part.querySelectorAll('details:not([open])')])) {
    if (!opened.has(one.id)) continue;
    one.open = true;
    one.renew();  // before it is shown: the page would be shorter until it hears of it, and be scrolled up for that
  }
  refill(byId('sections'), parts);
}

/** What is shown of one run at a time. */
function details(page, runs, run) {
  return [runs.length > 1 ? runChooser(page, runs, run) : null, resultsSection(run), settingsSection(run), logSection(run)];
}

/** The same one while it is about the same runs: it may be open. */
function runChooser(page, runs, chosen) {
  const made = kept('chooser', JSON.stringify(runs.map((run) => [run.id, run.name])), () => makeChooser(page, runs));
  const select = made.querySelector('select');
  if (select.value !== chosen.id) select.value = chosen.id;
  return made;
}

function makeChooser(page, runs) {
  const choose = (event) => {
    page.chosen = event.target.value;
    drawSections(page);
    page.onDetails?.(chosenRun(page, page.runs()));
  };
  const select = element('select', { id: 'chosen-run', 'data-key': 'chosen-run', onchange: choose }, runs.map((run) => element('option', { value: run.id }, run.name)));
  return element('div', { class: 'chooser' }, element('label', { for: 'chosen-run' }, 'In detail'), select);
}

function settingsSection(run) {
  if (!run.settings?.length) return null;
  const make = () => lazyDetails(`All ${run.settings.length} settings`, () => allSettings(run), { id: 'all-settings' });
  return kept('settings', run.settings, () => section('settings', 'Settings', make()));
}

/** The same one for as long as it is of the same run: it stays where it was scrolled to, or at its end if it was there. */
function logSection(run) {
  if (!run.log?.length) return null;
  const make = () => element('pre', { class: 'log', tabindex: '0', role: 'region', 'aria-label': 'Log' });
  const made = kept('log', run.id, () => section('log', 'Log', make()));
  const box = made.querySelector('.log');
  const before = box.textContent;
  const text = run.log.join('\n');
  if (text === before) return made;
  const isAtEnd = before !== '' && box.scrollTop + box.clientHeight >= box.scrollHeight - 2;
  if (before !== '' && text.startsWith(before)) box.lastChild.appendData(text.slice(before.length));  // what is selected stays so
  else box.textContent = text;
  if (isAtEnd) box.scrollTop = box.scrollHeight;
  return made;
}

function drawFooter(page) {
  const { made_by: by, made_at: at } = page.document;
  byId('made').textContent = [by && `Made by ${by}`, at && `on ${moment(at)}`].filter(Boolean).join(' ');
}

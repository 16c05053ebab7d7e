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
  const focused = document.activeElement?.dataset?.run;
  fill(byId('overview'), page.isSingle() ? keyFigures(page.document.runs[0]) : section('runs', 'Runs', runsTable(page)));
  if (focused) byId('overview').querySelector(`[data-run="${CSS.escape(focused)}"]`)?.focus();
}

/** The run whose details are shown, of those ticked. */
function chosenRun(page, runs) {
  return runs.find((run) => run.id === page.chosen) ?? runs[0];
}

function drawSections(page) {
  const runs = page.runs();
  const opened = new Set([...byId('sections').querySelectorAll('details[open]')].map((details) => details.id));
  const chosen = chosenRun(page, runs);
  fill(
    byId('sections'),
    section('reached', 'Time to accuracy', reachedTable(page, runs)),
    runs.length > 1 ? section('differences', 'What differs', differences(page, runs)) : null,
    chosen ? details(page, runs, chosen) : null,
    section('machine', 'Machine', machines(page, runs)),
  );
  for (const id of opened) if (id && byId(id)) byId(id).open = true;
}

/** What is shown of one run at a time. */
function details(page, runs, run) {
  const settings = run.settings?.length > 0 && lazyDetails(`All ${run.settings.length} settings`, () => allSettings(run), { id: 'all-settings' });
  const log = run.log?.length > 0 && element('pre', { class: 'log', tabindex: '0', role: 'region', 'aria-label': 'Log' }, run.log.join('\n'));
  return [
    runs.length > 1 ? runChooser(page, runs, run) : null,
    section('results', 'What it recognises', resultsOf(run)),
    section('settings', 'Settings', settings),
    section('log', 'Log', log),
  ];
}

function runChooser(page, runs, chosen) {
  const select = element('select', { id: 'chosen-run', onchange: (event) => {
    page.chosen = event.target.value;
    drawSections(page);
    page.onDetails?.(chosenRun(page, page.runs()));
    byId('chosen-run').focus();
  } }, runs.map((run) => element('option', { value: run.id, selected: run === chosen }, run.name)));
  return element('div', { class: 'chooser' }, element('label', { for: 'chosen-run' }, 'In detail'), select);
}

function drawFooter(page) {
  const { made_by: by, made_at: at } = page.document;
  byId('made').textContent = [by && `Made by ${by}`, at && `on ${moment(at)}`].filter(Boolean).join(' ');
}

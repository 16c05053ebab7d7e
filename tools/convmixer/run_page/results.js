// What a run's weights do on images: confusion, the worst mistakes; what they look like; what they were trained on.

const kMostReadable = 20;  // classes whose counts are written into the cells

/** Heats from which the other one of black and white is easier to read on a cell: of what is right, and of mistakes. */
const kHot = { light: { right: 88, wrong: 101 }, dark: { right: 73, wrong: 63 } };

/** A PNG out of the document; anything else is shown as nothing. */
function picture(image, alt) {
  if (!image || typeof image.src !== 'string' || !image.src.startsWith('data:image/png;base64,')) return null;
  return element('img', { src: image.src, width: image.width, height: image.height, alt: image.alt ?? alt });
}

/** `of`: the run's id. */
function confusion({ classes, counts, scores, pairs }, of) {
  const totals = scores?.map((one) => one.images) ?? counts.map((row) => row.reduce((sum, value) => sum + value, 0));
  const said = scores?.map((one) => one.predicted) ?? classes.map((_, column) => counts.reduce((sum, row) => sum + row[column], 0));
  const right = scores?.map((one) => one.correct) ?? counts.map((row, index) => row[index]);
  const share = (part, whole) => cellOf(percent(whole > 0 ? part / whole : NaN, 1), whole > 0 ? part / whole : null);
  const perClass = classes.map((name, index) => [element('bdi', {}, name), share(right[index], totals[index]), share(right[index], said[index]), cellOf(count(totals[index]), totals[index])]);
  const columns = [
    { title: 'Class' }, { title: 'Recognised', numeric: true, hint: 'Recall: of its images' },
    { title: 'Right when said', numeric: true, hint: 'Precision: of the images that were taken for it' }, { title: 'Images', numeric: true },
  ];
  return element('div', {},
    element('h3', {}, 'Confusion'),
    counts ? heatTable(classes, counts, totals) : null,
    element('div', { class: 'columns' },
      element('div', {}, element('h4', {}, 'Most frequent confusions'), confusedPairs(classes, pairs ?? pairsOf(counts), totals, of)),
      element('div', {}, element('h4', {}, 'By class'), table('Accuracy by class', columns, perClass, { of, sortable: true, class: 'short' }))));
}

/** [true class, predicted class, images], the most frequent first. */
function pairsOf(counts) {
  const found = counts.flatMap((row, truth) => row.map((images, said) => [truth, said, images])).filter(([truth, said, images]) => truth !== said && images > 0);
  return found.sort((a, b) => b[2] - a[2]).slice(0, 50);
}

function cellOf(text, value) {
  return { text, value };
}

/** A table with a heat scale: each row, a true class, is shaded by the shares of its images. */
function heatTable(classes, counts, totals) {
  const written = classes.length <= kMostReadable;
  const shareOf = (truth, said) => (totals[truth] > 0 ? counts[truth][said] / totals[truth] : 0);
  let worst = 0.01;  // the end of the mistakes' scale, which is another than that of what is right
  counts.forEach((row, truth) => row.forEach((_, said) => (worst = truth === said ? worst : Math.max(worst, shareOf(truth, said)))));
  const status = element('p', { class: 'quiet', role: 'status' }, 'Rows are true classes, columns what their images were taken for. Point at a cell to read it.');
  const head = element('tr', {}, element('td', {}), classes.map((name) => element('th', { scope: 'col', title: name }, element('span', {}, written ? element('bdi', {}, name) : ''))));
  const rows = counts.map((row, truth) =>
    element('tr', {}, element('th', { scope: 'row', title: classes[truth] }, element('bdi', {}, classes[truth])),
      row.map((value, said) => {
        const cell = element('td', { 'data-cell': `${truth},${said}`, class: truth === said ? 'right' : '' }, written ? (value > 0 ? count(value) : '') : '');
        const heat = Math.round(truth === said ? 100 * shareOf(truth, said) : (85 * shareOf(truth, said)) / worst);
        cell.style.setProperty('--heat', `${heat}%`);
        for (const theme of ['light', 'dark']) cell.classList.toggle(`hot-in-${theme}`, heat >= kHot[theme][truth === said ? 'right' : 'wrong']);
        return cell;
      })));
  const made = element('table', { class: written ? 'confusion' : 'confusion dense' }, element('caption', { class: 'visually-hidden' }, 'Confusion matrix'), element('thead', {}, head), element('tbody', {}, rows));
  made.addEventListener('pointerover', (event) => {
    const place = event.target.closest('[data-cell]')?.dataset.cell.split(',').map(Number);
    if (!place) return;
    const [truth, said] = place;
    fill(status, element('bdi', {}, classes[truth]), truth === said ? ' recognised: ' : ' taken for ', truth === said ? null : [element('bdi', {}, classes[said]), ': '],
      `${count(counts[truth][said])} of ${plural(totals[truth], 'image')}, ${percent(totals[truth] > 0 ? counts[truth][said] / totals[truth] : NaN, 1)}`);
  });
  return [status, element('div', { class: 'scroller', 'data-key': 'Confusion matrix', tabindex: '0', role: 'region', 'aria-label': 'Confusion matrix' }, made)];
}

function confusedPairs(classes, pairs, totals, of) {
  if (pairs.length === 0) return element('p', { class: 'quiet' }, 'None.');
  const rows = pairs.map(([truth, said, images]) => {
    const share = totals[truth] > 0 ? images / totals[truth] : NaN;
    return [element('bdi', {}, classes[truth]), element('bdi', {}, classes[said]), cellOf(count(images), images), cellOf(percent(share, 1), share)];
  });
  const columns = [{ title: 'True class' }, { title: 'Taken for' }, { title: 'Images', numeric: true }, { title: 'Share', numeric: true }];
  return table('Most frequent confusions', columns, rows, { of, sortable: true, class: 'short' });
}

function mistakes(list) {
  const shown = list.map((one) =>
    element('figure', { class: 'mistake' },
      picture(one.image, `${one.label}, taken for ${one.predicted}`),
      element('figcaption', {},
        element('span', { class: 'said' }, element('bdi', {}, one.predicted), ' ', element('span', { class: 'value' }, percent(one.confidence, 1))),
        element('span', { class: 'truth' }, 'is ', element('bdi', {}, one.label), ' ', isNumber(one.label_confidence) ? element('span', { class: 'value' }, percent(one.label_confidence, 1)) : null),
        one.file || isNumber(one.index) ? element('small', {}, one.file ? element('bdi', {}, one.file) : `image ${one.index}`) : null)));
  return element('div', {}, element('h3', {}, 'Worst mistakes'), element('p', { class: 'quiet' }, 'Those that the network was surest of: what it said, and what is right.'), element('div', { class: 'mistakes' }, shown));
}

function filters(figures) {
  const shown = figures.filters.map((one) => {
    const image = picture(one.image, one.title);
    return image && element('figure', { class: 'sheet' }, element('figcaption', {}, element('h4', {}, one.title), element('p', { class: 'quiet' }, one.note ?? '')), image);
  }).filter(Boolean);
  if (shown.length === 0) return null;
  const isSigned = figures.filters.some((one) => one.colours === false);
  return element('div', {},
    element('h3', {}, 'Filters'),
    figures.filters_of ? element('p', { class: 'quiet' }, `Of the ${figures.filters_of}.${isSigned ? ' Red is above zero, blue below; each filter has a scale of its own.' : ''}`) : null,
    element('div', { class: 'sheets' }, shown));
}

/** What the network saw: one image, or one for each sample with its label. */
function contactSheet(sheet) {
  const whole = picture(sheet.image, 'Training images as the network saw them');
  const samples = (sheet.samples ?? []).map((one) => {
    const image = picture(one.image, one.label);
    return image && element('figure', { class: 'sample' }, image, element('figcaption', {}, element('bdi', {}, one.label)));
  }).filter(Boolean);
  if (!whole && samples.length === 0) return null;
  return element('div', {},
    element('h3', {}, 'What the network saw'), element('p', { class: 'quiet' }, sheet.note ? sentence(sheet.note) : ''),
    whole && element('figure', { class: 'sheet' }, whole), samples.length > 0 ? element('div', { class: 'mistakes' }, samples) : null);
}

/** All there is of a run's figures; null where there is nothing. The same while they are: a page that is served is drawn
    anew every few seconds. */
function resultsSection(run) {
  if (!run.figures) return null;
  return kept('results', run.figures, () => section('results', 'What it recognises', resultsOf(run.figures, run.id)));
}

function resultsOf(figures, of) {
  const parts = [
    figures.confusion?.classes?.length > 0 && confusion(figures.confusion, of),
    figures.mistakes?.length > 0 && mistakes(figures.mistakes),
    figures.filters?.length > 0 && filters(figures),
    figures.contact_sheet && contactSheet(figures.contact_sheet),
    figures.missing?.length > 0 && element('ul', { class: 'quiet missing' }, figures.missing.map((line) => element('li', {}, element('bdi', {}, line)))),
  ].filter(Boolean);
  if (parts.length === 0) return null;
  return [figures.of ? element('p', { class: 'quiet' }, sentence(figures.of)) : null, ...parts];
}

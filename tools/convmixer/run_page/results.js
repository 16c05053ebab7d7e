// What a run's weights do on images: confusion, the worst mistakes; what they look like; what they were trained on.

const kMostReadable = 20;  // classes whose counts are written into the cells

/** A PNG out of the document; anything else is shown as nothing. */
function picture(image, alt) {
  if (!image || typeof image.src !== 'string' || !image.src.startsWith('data:image/png;base64,')) return null;
  return element('img', { src: image.src, width: image.width, height: image.height, alt: image.alt ?? alt, loading: 'lazy' });
}

function confusion(page, { classes, counts }) {
  const totals = counts.map((row) => row.reduce((sum, value) => sum + value, 0));
  const predicted = classes.map((_, column) => counts.reduce((sum, row) => sum + row[column], 0));
  const parts = [element('h3', {}, 'Confusion'), heatTable(classes, counts, totals)];
  const perClass = classes.map((name, index) => {
    const recall = totals[index] > 0 ? counts[index][index] / totals[index] : null;
    const precision = predicted[index] > 0 ? counts[index][index] / predicted[index] : null;
    return [element('bdi', {}, name), cellOf(percent(recall, 1), recall), cellOf(percent(precision, 1), precision), cellOf(count(totals[index]), totals[index])];
  });
  const columns = [{ title: 'Class' }, { title: 'Recognised', numeric: true, hint: 'Recall: of its images' }, { title: 'Right when said', numeric: true, hint: 'Precision: of what was said to be it' }, { title: 'Images', numeric: true }];
  parts.push(element('div', { class: 'columns' },
    element('div', {}, element('h4', {}, 'Most frequent confusions'), confusedPairs(classes, counts, totals)),
    element('div', {}, element('h4', {}, 'By class'), table('Accuracy by class', columns, perClass, { sortable: true, class: 'short' }))));
  return element('div', {}, parts);
}

function cellOf(text, value) {
  return { text, value };
}

/** A table with a heat scale: each row, a true class, is shaded by the shares of its images. */
function heatTable(classes, counts, totals) {
  const written = classes.length <= kMostReadable;
  const status = element('p', { class: 'quiet', role: 'status' }, 'Rows are true classes, columns what was said. Point at a cell to read it.');
  const head = element('tr', {}, element('td', {}), classes.map((name) => element('th', { scope: 'col', title: name }, element('span', {}, written ? element('bdi', {}, name) : ''))));
  const rows = counts.map((row, truth) =>
    element('tr', {}, element('th', { scope: 'row', title: classes[truth] }, element('bdi', {}, classes[truth])),
      row.map((value, said) => {
        const cell = element('td', { 'data-cell': `${truth},${said}`, class: truth === said ? 'right' : '' }, written ? (value > 0 ? count(value) : '') : '');
        const share = totals[truth] > 0 ? value / totals[truth] : 0;
        const heat = Math.round(100 * (truth === said ? share : Math.min(1, 4 * share)));
        cell.style.setProperty('--heat', `${heat}%`);
        if (heat > 55) cell.classList.add('hot');
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
  return [status, element('div', { class: 'scroller', tabindex: '0', role: 'region', 'aria-label': 'Confusion matrix' }, made)];
}

function confusedPairs(classes, counts, totals) {
  const found = [];
  counts.forEach((row, truth) => row.forEach((value, said) => {
    if (truth !== said && value > 0) found.push({ truth, said, value, share: value / totals[truth] });
  }));
  found.sort((a, b) => b.value - a.value);
  if (found.length === 0) return element('p', { class: 'quiet' }, 'None.');
  const rows = found.slice(0, 50).map(({ truth, said, value, share }) => [element('bdi', {}, classes[truth]), element('bdi', {}, classes[said]), cellOf(count(value), value), cellOf(percent(share, 1), share)]);
  const columns = [{ title: 'True class' }, { title: 'Taken for' }, { title: 'Images', numeric: true }, { title: 'Share', numeric: true }];
  return table('Most frequent confusions', columns, rows, { sortable: true, class: 'short' });
}

function mistakes(list) {
  const shown = list.map((one) =>
    element('figure', { class: 'mistake' },
      picture(one.image, `${one.label}, taken for ${one.predicted}`),
      element('figcaption', {},
        element('span', { class: 'said' }, element('bdi', {}, one.predicted), element('span', { class: 'value' }, percent(one.confidence, 1))),
        element('span', { class: 'truth' }, 'is ', element('bdi', {}, one.label), isNumber(one.label_confidence) ? element('span', { class: 'value' }, percent(one.label_confidence, 1)) : null),
        one.file || isNumber(one.index) ? element('small', {}, one.file ? element('bdi', {}, one.file) : `image ${one.index}`) : null)));
  return element('div', {}, element('h3', {}, 'Worst mistakes'), element('p', { class: 'quiet' }, 'Those that the network was surest of: what it said, and what is right.'), element('div', { class: 'mistakes' }, shown));
}

function filterPictures(list) {
  return list.map((one) => {
    const shown = picture(one.image, one.title);
    return shown && element('figure', { class: 'sheet' }, element('figcaption', {}, element('h3', {}, one.title), element('p', { class: 'quiet' }, one.note ?? '')), element('div', { class: 'scroller' }, shown));
  });
}

/** All there is of a run's figures; null where there is nothing. */
function resultsOf(page, run) {
  const figures = run.figures ?? {};
  const sheet = figures.contact_sheet && picture(figures.contact_sheet.image, 'Training images as the network saw them');
  const parts = [
    figures.confusion?.classes?.length > 0 && confusion(page, figures.confusion),
    figures.mistakes?.length > 0 && mistakes(figures.mistakes),
    figures.filters?.length > 0 && filterPictures(figures.filters),
    sheet && element('figure', { class: 'sheet' }, element('figcaption', {}, element('h3', {}, 'What the network saw'), element('p', { class: 'quiet' }, figures.contact_sheet.note ?? '')), element('div', { class: 'scroller' }, sheet)),
  ].filter(Boolean);
  if (parts.length === 0) return null;
  return [figures.of ? element('p', { class: 'quiet' }, figures.of) : null, ...parts];
}

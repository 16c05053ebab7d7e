// Elements. Text only ever becomes text: nothing here, or in any of these files, parses HTML.

/** An element with its attributes, listeners ("onclick": function) and children: elements, texts, arrays of them. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false) made.append(child);
  }
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

/** Shows these children and no others. */
function fill(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
}

/** A small square or a line in a run's colour. */
function swatch(colour, kind = 'run') {
  const made = element('span', { class: `swatch swatch-${kind}`, 'aria-hidden': 'true' });
  made.style.color = colour;
  return made;
}

/**
 * A table in a box that scrolls sideways where the page is narrow. Columns: {title, key?, numeric?, hint?}; rows: arrays
 * of cells, each a text, an element, or {text, value} where it sorts by something else than it shows.
 */
function table(caption, columns, rows, options = {}) {
  const body = element('tbody');
  const heads = columns.map((column, index) => headCell(column, index, options.sortable ? sort : null));
  const made = element(
    'table',
    { class: options.class },
    element('caption', { class: options.captionShown ? '' : 'visually-hidden' }, caption),
    element('thead', {}, element('tr', {}, heads)),
    body,
  );
  show(rows);
  return element('div', { class: 'scroller', tabindex: '0', role: 'region', 'aria-label': caption }, made);

  function show(sorted) {
    fill(body, sorted.map((row) => element('tr', { class: row.class }, row.map((cell, index) => bodyCell(cell, columns[index], index)))));
  }
  function sort(index) {
    const down = heads[index].getAttribute('aria-sort') !== 'descending';
    heads.forEach((head, other) => head.setAttribute('aria-sort', other !== index ? 'none' : down ? 'descending' : 'ascending'));
    show([...rows].sort((a, b) => (down ? -1 : 1) * compareCells(a[index], b[index])));
  }
}

function headCell(column, index, sort) {
  const attributes = { scope: 'col', class: column.numeric ? 'number' : '', title: column.hint };
  if (!sort || !column.title) return element('th', attributes, column.title);
  return element('th', { ...attributes, 'aria-sort': 'none' }, element('button', { type: 'button', class: 'sort', onclick: () => sort(index) }, column.title));
}

function bodyCell(cell, column, index) {
  const shown = cell && typeof cell === 'object' && 'text' in cell && !(cell instanceof Node) ? cell.text : cell;
  const head = index === 0 && column.title;
  return element(head ? 'th' : 'td', { scope: head ? 'row' : null, class: column.numeric ? 'number' : '' }, shown);
}

function compareCells(a, b) {
  const value = (cell) => (cell && typeof cell === 'object' && 'value' in cell ? cell.value : cell instanceof Node ? cell.textContent : cell);
  const [left, right] = [value(a), value(b)];
  const missing = (one) => one === null || one === undefined || one === '' || Number.isNaN(one);
  if (missing(left) || missing(right)) return missing(left) === missing(right) ? 0 : missing(left) ? -1 : 1;
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  return String(left).localeCompare(String(right), 'en', { numeric: true });
}

/** A part of the page with a heading; nothing where there is nothing to show. */
function section(id, title, ...children) {
  const present = children.flat(Infinity).filter((child) => child);
  if (present.length === 0) return null;
  return element('section', { id, 'aria-labelledby': `${id}-title` }, element('h2', { id: `${id}-title` }, title), present);
}

/** Details whose content is made when they are opened, and again whenever they are open and told to `renew`. */
function lazyDetails(summary, make, attributes = {}) {
  const content = element('div');
  const made = element('details', attributes, element('summary', {}, summary), content);
  const renew = () => made.open && fill(content, make());
  made.addEventListener('toggle', renew);
  made.renew = renew;
  return made;
}

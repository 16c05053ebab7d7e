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

/** Shows these children and no others. One that was there stays where it is, with what is selected in it. */
function fill(parent, ...children) {
  const shown = children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false);
  const nodes = shown.map((child) => (child instanceof Node ? child : document.createTextNode(child)));
  const wanted = new Set(nodes);
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove();
  let next = parent.firstChild;
  for (const node of nodes) {
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
}

/** Shows these children in place of the same ones as they were made before: the focus, and how far boxes are scrolled, pass to
    what has the same data-key. */
function refill(parent, ...children) {
  const keyed = () => [...parent.querySelectorAll('[data-key]')];
  const places = new Map(keyed().map((one) => [one.dataset.key, [one.scrollLeft, one.scrollTop]]));
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  fill(parent, ...children);
  for (const one of keyed()) {
    const [left, top] = places.get(one.dataset.key) ?? [0, 0];
    if (left > 0) one.scrollLeft = left;
    if (top > 0) one.scrollTop = top;
    if (one.dataset.key === focused && one !== document.activeElement) one.focus({ preventScroll: true });
  }
}

const kKept = new Map();  // by name: {source, made}

/** What was made under this name before, while its source is the same: drawn anew, it loses nothing. */
function kept(name, source, make) {
  const before = kKept.get(name);
  if (before && before.source === source) return before.made;
  const made = make();
  kKept.set(name, { source, made });
  return made;
}

/** A small square or a line in a run's colour. */
function swatch(colour, kind = 'run') {
  const made = element('span', { class: `swatch swatch-${kind}`, 'aria-hidden': 'true' });
  made.style.color = colour;
  return made;
}

const kSortings = new Map();  // {title, down} by tables' keys: a table that is made again is sorted as the one before was

/**
 * A table in a box that scrolls sideways where the page is narrow. Columns: {title, numeric?, hint?}; rows: arrays of
 * cells, each a text, an element, or {text, value} where it sorts by something else than it shows. Options: sortable,
 * class, captionShown, and `of`, what the table is of where others have the same caption.
 */
function table(caption, columns, rows, options = {}) {
  const key = options.of === undefined ? caption : `${caption} of ${options.of}`;
  const body = element('tbody');
  const heads = columns.map((column) => headCell(column, key, options.sortable ? sort : null));
  const made = element(
    'table',
    { class: options.class },
    element('caption', { class: options.captionShown ? '' : 'visually-hidden' }, caption),
    element('thead', {}, element('tr', {}, heads)),
    body,
  );
  show();
  return element('div', { class: 'scroller', 'data-key': key, tabindex: '0', role: 'region', 'aria-label': caption }, made);

  function show() {
    const { title, down } = (options.sortable && kSortings.get(key)) || {};
    const by = title === undefined ? -1 : columns.findIndex((column) => column.title === title);
    if (by >= 0) heads.forEach((head, index) => head.setAttribute('aria-sort', index !== by ? 'none' : down ? 'descending' : 'ascending'));
    const sorted = by < 0 ? rows : [...rows].sort((a, b) => (down ? -1 : 1) * compareCells(a[by], b[by]));
    fill(body, sorted.map((row) => element('tr', { class: row.class }, row.map((cell, index) => bodyCell(cell, columns[index], index)))));
  }
  function sort(title) {
    const before = kSortings.get(key);
    kSortings.set(key, { title, down: before?.title !== title || !before.down });
    show();
  }
}

function headCell(column, key, sort) {
  const attributes = { scope: 'col', class: column.numeric ? 'number' : '', title: column.hint };
  if (!sort || !column.title) return element('th', attributes, column.title);
  const button = element('button', { type: 'button', class: 'sort', 'data-key': `${key} by ${column.title}`, onclick: () => sort(column.title) }, column.title);
  return element('th', { ...attributes, 'aria-sort': 'none' }, button);
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

/** Details whose content is there while they are open: made when they are opened, and again when told to `renew`. */
function lazyDetails(summary, make, attributes = {}) {
  const content = element('div');
  const made = element('details', attributes, element('summary', { 'data-key': attributes.id }, summary), content);
  const renew = () => made.open && refill(content, make());
  made.addEventListener('toggle', () => {
    if (!made.open) fill(content);
    else if (!content.hasChildNodes()) renew();
  });
  made.renew = renew;
  return made;
}

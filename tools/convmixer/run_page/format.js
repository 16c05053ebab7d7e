// Numbers as people read them.

const kThinSpace = '\u202f';
const kMissing = '\u2013';

function isNumber(value) {
  return typeof value === 'number' && Number.isFinite(value);
}

/** 0.9102 -> "91.02%" */
function percent(share, digits = 2) {
  return isNumber(share) ? `${(100 * share).toFixed(digits)}%` : kMissing;
}

/** 1234567 -> "1 234 567" */
function count(value) {
  return isNumber(value) ? Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, kThinSpace) : kMissing;
}

/** About four digits: 0.00123, 1.234, 123.4, 1.2e-7 */
function number(value) {
  if (!isNumber(value)) return kMissing;
  const size = Math.abs(value);
  if (size >= 9999.5) return `${value < 0 ? '-' : ''}${count(size)}`;
  if (size !== 0 && size < 1e-4) return value.toExponential(2).replace('e-', 'e\u2212');
  return String(Number(value.toPrecision(4)));
}

function loss(value) {
  return isNumber(value) ? (Math.abs(value) < 999.99995 ? value.toFixed(4) : number(value)) : kMissing;
}

/** Seconds: "2.3 s", "12 s", "4 min 05 s", "1 h 02 min", "2 d 3 h" */
function duration(seconds) {
  if (!isNumber(seconds)) return kMissing;
  const tenths = Math.round(10 * seconds);
  if (tenths < 100) return `${(tenths / 10).toFixed(1)} s`;
  const whole = Math.round(seconds);  // rounded before it is compared: no 60 s, and no 60 min
  if (whole < 60) return `${whole} s`;
  const two = (value) => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A time on an axis: no more of it than the ticks' distance needs. */
function tickTime(seconds, distance) {
  if (distance < 60) {
    const tenths = distance < 1 ? Math.round(10 * seconds) : 10 * Math.round(seconds);
    if (tenths < 600) return tenths === 0 ? '0' : `${tenths / 10} s`;
    const rest = (tenths % 600) / 10;
    return `${Math.floor(tenths / 600)}:${rest < 10 ? '0' : ''}${rest}`;
  }
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return minutes === 0 ? '0' : `${minutes} min`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')}`;
}

/** "2026-11-29T08:00:00Z" -> in the reader's own words and time zone */
function moment(text) {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text ?? '';
  return time.toLocaleString('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' });
}

/** With a capital letter and a full stop. */
function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;
}

function plural(many, noun) {
  return `${count(many)} ${noun}${many === 1 ? '' : 's'}`;
}

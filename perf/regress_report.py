"""What perf/regress found: changes with their verdicts, as JSON and as text."""

import math
import statistics

import regress_verdict as verdicts


def judge(then, now, change, least_effect):
    """For each figure in both (lists of samples by Figure), what `change` (of regress_verdict) makes of it."""
    figures = [figure for figure in then if figure in now]
    changes = [change(then[figure], now[figure]) for figure in figures]
    adjusted = verdicts.holm([c.p for c in changes])
    return [
        {
            "name": figure.name,
            "unit": figure.unit,
            "then": statistics.median(then[figure]),
            "now": statistics.median(now[figure]),
            "ratio": c.ratio,
            "low": c.low,
            "high": c.high,
            "p": c.p,
            "adjusted_p": p,
            "verdict": verdicts.verdict(c, p, least_effect),
        }
        for figure, c, p in zip(figures, changes, adjusted)
    ]


def changes_text(changes):
    """A table, a line for each figure."""
    width = max(len(change["name"]) for change in changes)
    lines = [f"  {'':<{width}}  {'then':>12}  {'now':>12}  {'change':>7}  {'its interval':>18}"]
    for change in changes:
        lines.append(
            f"  {change['name']:<{width}}  {amount(change['then'], change['unit']):>12}  "
            f"{amount(change['now'], change['unit']):>12}  {percent(change['ratio']):>7}  "
            f"{percent(change['low']):>7} to {percent(change['high']):>7}  {change['verdict']}"
        )
    return lines


def only_now_text(then, now):
    """What there is nothing to compare with."""
    return [f"  {figure.name}: there was none then" for figure in now if figure not in then]


def amount(value, unit):
    return f"{value:.{2 if value < 100 else 1}f} {unit}"


def percent(ratio):
    return f"{100 * (ratio - 1):+.1f}%"


def split_text(then, now, most=4):
    """Which operations a change of a step's time comes from: lines, the largest first, none under a tenth of it. `then`
    and `now` are lists of milliseconds by operation; an operation in one of them alone counts as 0 in the other."""
    rows = []
    for operation in {**then, **now}:
        before, after = (statistics.median(part.get(operation, [0.0])) for part in (then, now))
        rows.append((after - before, operation, before, after))
    rows.sort(key=lambda row: -abs(row[0]))
    rows = [row for row in rows[:most] if abs(row[0]) >= 0.1 * abs(rows[0][0])]
    return [
        f"    {operation}: {difference:+.2f} ms ({before:.2f} to {after:.2f})"
        for difference, operation, before, after in rows
    ]


def since_text(changes):
    """What moved between a recording and the same commit's figures of today: not the code."""
    moved = [change for change in changes if change["verdict"] in ("worse", "better")]
    lines = [f"the machine itself since the recording: {c['name']} {percent(c['ratio'])} ({c['unit']})" for c in moved]
    return lines + [""] * bool(lines)


def moved_text(changes, then, now):
    """What moved, worse first, times with the operations that they come from; `then` and `now`: splits by name."""
    lines = []
    for word in ("worse", "better"):
        for change in sorted((c for c in changes if c["verdict"] == word), key=lambda c: -abs(math.log(c["ratio"]))):
            what = {"MiB": "memory"}.get(change["unit"], "time")
            lines.append(
                f"{word}: {change['name']}: {what} {percent(change['ratio'])}, "
                f"{amount(change['then'], change['unit'])} to {amount(change['now'], change['unit'])}, "
                f"p {change['p']:.1g}"
            )
            if what == "time" and change["name"] in then and change["name"] in now:
                lines += split_text(then[change["name"]], now[change["name"]])
    unclear = [change for change in changes if change["verdict"] == "unclear"]
    if unclear:
        lines.append(
            f"unclear: {len(unclear)} of {len(changes)}, whose noise hides larger changes than those looked for: "
            "more --rounds or a quieter machine would tell"
        )
    worse = sum(change["verdict"] == "worse" for change in changes)
    return lines + [f"{worse} of {len(changes)} figures got worse" if worse else "nothing got worse"]


def samples_text(samples):
    """A table of a recording: medians and how far the samples are from them (median distance)."""
    width = max(len(figure.name) for figure in samples)
    lines = []
    for figure, list_ in samples.items():
        median = statistics.median(list_)
        spread = statistics.median(abs(x - median) for x in list_) / median
        lines.append(f"  {figure.name:<{width}}  {amount(median, figure.unit):>12} +- {100 * spread:.1f}%")
    return lines
